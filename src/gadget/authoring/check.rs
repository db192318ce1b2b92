//! The comparison of metadata with what the object has.

use std::collections::BTreeMap;
use std::path::Path;

use super::facts::{DataSource, Facts, derived};
use super::outline::Item;
use super::{Problem, Report, values};
use crate::batch::Field;
use crate::component::nearest;
use crate::gadget::Manifest;
use crate::gadget::manifest::Node;

const KEYS: [&str; 12] = [
    "name",
    "description",
    "homepageURL",
    "documentationURL",
    "sourceURL",
    "annotations",
    "datasources",
    "params",
    "paramDefaults",
    "programs",
    "operator",
    "ebpfParams",
];
/// What old versions read.
const FORMER: [&str; 4] = ["tracers", "snapshotters", "toppers", "structs"];
/// Placeholders that [`super::update()`] writes begin with it.
pub(super) const PLACEHOLDER: &str = "TODO:";

/// See the module.
pub(super) struct Check<'a> {
    pub manifest: &'a Manifest,
    pub facts: &'a Facts,
    pub outline: Option<&'a Item>,
    pub path: &'a Path,
    pub report: Report,
}

impl<'a> Check<'a> {
    pub fn everything(&mut self) {
        self.keys();
        for (name, node) in entries(self.manifest.get("datasources")) {
            self.source(name, node);
        }
        self.params();
        self.programs();
        self.missing();
    }

    fn problem(&self, path: &[&str], message: String) -> Problem {
        let place = self.outline.map(|outline| outline.place(path)).filter(|_| !path.is_empty());
        Problem { path: self.path.to_owned(), place, message }
    }

    fn error(&mut self, path: &[&str], message: String) {
        let problem = self.problem(path, message);
        self.report.errors.push(problem);
    }

    fn warning(&mut self, path: &[&str], message: String) {
        let problem = self.problem(path, message);
        self.report.warnings.push(problem);
    }

    fn keys(&mut self) {
        let root = self.outline.and_then(|outline| match &outline.kind {
            super::outline::Kind::Map { entries, .. } => Some(entries),
            _ => None,
        });
        for key in root.into_iter().flatten().map(|entry| entry.key.as_str()) {
            if KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                continue;
            }
            match nearest(key, KEYS) {
                _ if FORMER.contains(&key) => self.warning(&[key], format!("{key} is not read any more")),
                Some(known) => self.error(&[key], format!("unknown key {key:?}, did you mean {known:?}?")),
                None => self.warning(&[key], format!("unknown key {key:?} is not read")),
            }
        }
        if self.manifest.name.is_empty() {
            self.warning(&[], "the gadget has no name".to_owned());
        }
    }

    fn source(&mut self, name: &str, node: &'a Node) {
        let here = ["datasources", name];
        let Some(source) = self.facts.source(name) else {
            let hint = hint(name, self.facts.sources.iter().map(|source| source.name.as_str()));
            let message = format!("the gadget has no data source {name:?}{hint}");
            // A module can make data sources of its own.
            return if self.facts.has_module { self.warning(&here, message) } else { self.error(&here, message) };
        };
        self.annotations(&here, node);
        for (field, node) in entries(node.child("fields")) {
            let path = ["datasources", name, "fields", field];
            if !source.has(field) && !self.is_declared(source, node) {
                let known = source.names();
                let message =
                    format!("data source {:?} has no field {field:?}{}", source.name, hint(field, known.iter().map(String::as_str)));
                if self.facts.has_module { self.warning(&path, message) } else { self.error(&path, message) }
            }
            self.annotations(&path, node);
        }
    }

    /// A field that the data source's own annotations make.
    fn is_declared(&self, source: &DataSource, field: &Node) -> bool {
        let annotations = self.manifest.source(&source.name).annotations;
        annotations.keys().any(|key| {
            key.strip_prefix("env.fields.")
                .is_some_and(|name| self.manifest.get(&format!("datasources.{}.fields.{name}", source.name)) == Some(field))
        })
    }

    fn annotations(&mut self, owner: &[&str], node: &Node) {
        let all = node.child("annotations").map(Node::flatten).unwrap_or_default();
        for (key, value) in &all {
            let path: Vec<&str> = owner.iter().copied().chain(["annotations", key.as_str()]).collect();
            if let Some(complaint) = values::complaint(key, value) {
                self.error(&path, complaint);
            }
        }
    }

    fn params(&mut self) {
        for (group, _) in entries(self.manifest.get("params")) {
            if !["ebpf", "wasm", "custom"].contains(&group) {
                self.error(&["params", group], format!("params has no group {group:?}; there are ebpf, wasm, custom"));
            }
        }
        for path in [&["params", "ebpf"][..], &["ebpfParams"][..]] {
            for (variable, _) in entries(self.manifest.get(&path.join("."))) {
                let path: Vec<&str> = path.iter().copied().chain([variable]).collect();
                self.param(variable, &path);
            }
        }
        for (key, _) in entries(self.manifest.get("paramDefaults")) {
            let Some(bare) = key.strip_prefix("operator.oci.ebpf.") else { continue };
            if !self.facts.params.iter().any(|param| param.answers_to(bare)) {
                let hint = hint(bare, self.facts.params.iter().map(|param| param.key.as_str()));
                self.error(&["paramDefaults", key], format!("the gadget has no parameter {bare:?}{hint}"));
            }
        }
    }

    fn param(&mut self, variable: &str, path: &[&str]) {
        let found = self.facts.variables.iter().find(|(name, _)| name.eq_ignore_ascii_case(variable));
        match found {
            None => {
                let settable = self.facts.variables.iter().filter(|(_, settable)| *settable).map(|(name, _)| name.as_str());
                let message = format!("the object has no variable {variable:?}{}", hint(variable, settable));
                return self.error(path, message);
            }
            Some((name, false)) => {
                return self.error(path, format!("variable {name:?} cannot be a parameter: it is not a global const volatile one"));
            }
            Some((_, true)) => {}
        }
        let notes = self.manifest.param(variable);
        if notes.key.is_empty() {
            self.error(path, format!("parameter {variable:?} has no key"));
        }
        match self.facts.params.iter().find(|param| param.variable.eq_ignore_ascii_case(variable)) {
            None => self.warning(path, format!("variable {variable:?} is not marked with GADGET_PARAM, so nobody can set it")),
            Some(param) if !notes.default.is_empty() => {
                let path: Vec<&str> = path.iter().copied().chain(["defaultValue"]).collect();
                if let Err(error) = param.encode(&notes.default) {
                    self.error(&path, error.to_string());
                }
            }
            Some(_) => {}
        }
    }

    fn programs(&mut self) {
        for (name, _) in entries(self.manifest.get("programs")) {
            let named = |program: &crate::gadget::ProgramSpec| {
                let suffix = program.section.trim_start_matches('?').strip_prefix("perf_event/").unwrap_or_default();
                program.name.eq_ignore_ascii_case(name) || suffix.eq_ignore_ascii_case(name)
            };
            if !self.facts.programs.iter().any(named) {
                let hint = hint(name, self.facts.programs.iter().map(|program| program.name.as_str()));
                self.error(&["programs", name], format!("the object has no program {name:?}{hint}"));
            }
        }
    }

    /// What the object has and the metadata does not mention.
    fn missing(&mut self) {
        for source in &self.facts.sources {
            let Some(node) = self.manifest.get("datasources").and_then(|all| all.child(&source.name)) else {
                self.warning(&["datasources"], format!("data source {:?} is not described", source.name));
                continue;
            };
            let described = |name: &str| node.child("fields").is_some_and(|fields| fields.get(name).is_some());
            let is_bare = |field: &&Field| {
                let said = field.annotations.contains_key("description") || described(&field.name);
                !said && !derived(field).iter().any(|name| described(name))
            };
            let bare: Vec<&str> = source.own().filter(is_bare).map(|field| field.name.as_str()).collect();
            if !bare.is_empty() {
                let message = format!("data source {:?} has fields without a description: {}", source.name, bare.join(", "));
                self.warning(&["datasources", &source.name, "fields"], message);
            }
        }
        for param in self.facts.params.iter().filter(|param| !param.variable.is_empty() && param.description.is_empty()) {
            self.warning(&["params", "ebpf", &param.variable], format!("parameter {:?} has no description", param.key));
        }
        let placeholders = self.outline.map_or(0, |_| placeholders(self.manifest));
        if placeholders > 0 {
            self.warning(&[], format!("{placeholders} texts begin with {PLACEHOLDER:?} and are still to be written"));
        }
    }
}

fn placeholders(manifest: &Manifest) -> usize {
    let text = usize::from(manifest.description.starts_with(PLACEHOLDER));
    let below = ["datasources", "params"].into_iter().filter_map(|key| manifest.get(key)).map(Node::flatten);
    text + below.map(|all: BTreeMap<_, _>| all.values().filter(|value| value.starts_with(PLACEHOLDER)).count()).sum::<usize>()
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&str, &Node)> {
    let map = match node {
        Some(Node::Map(map)) => Some(map),
        _ => None,
    };
    map.into_iter().flatten().map(|(key, node)| (key.as_str(), node))
}

fn hint<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(word, known).map(|known| format!(", did you mean {known:?}?")).unwrap_or_default()
}
