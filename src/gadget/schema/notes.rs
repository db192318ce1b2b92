//! Annotations of a field: what its types bring along, then templates, then the metadata, each over the last.

use std::collections::BTreeMap;

use crate::batch::FieldSpec;
use crate::gadget::manifest::{Notes, template, templates_of_type};

/// Structs whose members are columns of their own, under their bare names.
const UNWRAPPED: [&str; 3] = ["gadget_process", "gadget_creds", "gadget_parent"];

/// Where in the record a member is.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Full name of the parent; empty at the top.
    pub path: String,
    /// Name of the parent's type.
    pub parent_type: String,
}

impl Place {
    /// In the record itself, which is of a type of this name.
    pub(super) fn top(type_name: &str) -> Self {
        Place { path: String::new(), parent_type: type_name.to_owned() }
    }

    /// Full name of a member here.
    pub(super) fn full(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn join(&self, name: &str, parent_type: &str) -> Self {
        Place { path: self.full(name), parent_type: parent_type.to_owned() }
    }
}

/// Merges everything that is said about the field into it.
pub(super) fn annotate(spec: &mut FieldSpec, notes: Notes, place: &Place) {
    let mut set = |key: &str, value: &str| _ = spec.annotations.insert(key.to_owned(), value.to_owned());
    for name in &spec.types {
        for (key, value) in templates_of_type(name).unwrap_or_default() {
            set(key, value);
        }
        if let Some(kind) = metric(name) {
            set("metrics.type", kind);
        }
        if UNWRAPPED.contains(&name.as_str()) {
            set("columns.hidden", "true");
        }
    }
    if UNWRAPPED.contains(&place.parent_type.as_str()) {
        let leaf = spec.name.rsplit('.').next().unwrap_or_default().to_owned();
        set("columns.alias", &leaf);
    }
    let notes = expand(notes, &spec.name);
    spec.annotations.extend(notes.annotations);
    spec.tags.extend(notes.tags);
    let is_true = |key: &str| spec.annotations.get(key).is_some_and(|v| v == "true");
    (spec.hidden, spec.json_skip) = (is_true("columns.hidden"), is_true("json.skip"));
}

/// Puts the annotations of the template that is named under those that are written out.
pub(super) fn expand(notes: Notes, field: &str) -> Notes {
    let Some(name) = notes.annotations.get("template") else { return notes };
    let Some(expansion) = template(name) else {
        tracing::warn!(template = %name, field, "gadget metadata names an unknown template");
        return notes;
    };
    let mut annotations: BTreeMap<String, String> = expansion.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    annotations.extend(notes.annotations);
    Notes { annotations, ..notes }
}

fn metric(type_name: &str) -> Option<&'static str> {
    match type_name {
        "gadget_counter__u32" | "gadget_counter__u64" => Some("counter"),
        "gadget_gauge__u32" | "gadget_gauge__u64" => Some("gauge"),
        _ => None,
    }
}

/// Full name of the field that shows an enum's names: the annotation, or the field's own name without `_raw`.
pub(super) fn enum_target(spec: &FieldSpec) -> Option<String> {
    let leaf = match spec.annotations.get("ebpf.formatter.enum").filter(|target| !target.is_empty()) {
        Some(target) => target.as_str(),
        None => spec.leaf().strip_suffix("_raw").filter(|name| !name.is_empty())?,
    };
    Some(match spec.parent() {
        Some(parent) => format!("{parent}.{leaf}"),
        None => leaf.to_owned(),
    })
}
