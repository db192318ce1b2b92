//! What an object has that metadata can speak about.

use crate::batch::{Field, Kind as ValueKind, Source};
use crate::gadget::btf::{Btf, Kind};
use crate::gadget::elf::Elf;
use crate::gadget::{Gadget, GadgetError, ParamSpec, ProgramSpec};
use crate::image::GadgetImage;

/// Structs whose members are documented where they are declared.
const WHOLE: &str = "gadget_";
/// Those of them that only group what is known anyway.
const GROUPS: [&str; 2] = ["gadget_creds", "gadget_parent"];
/// Names of texts that are made of a special type under another name than its own.
const BESIDE: [(&str, &str); 2] = [("gadget_uid", "user"), ("gadget_gid", "group")];

/// See the module.
pub(super) struct Facts {
    pub sources: Vec<DataSource>,
    pub params: Vec<ParamSpec>,
    pub programs: Vec<ProgramSpec>,
    /// Global variables, and whether each can be a parameter.
    pub variables: Vec<(String, bool)>,
    /// Whether code adds what cannot be seen here.
    pub has_module: bool,
}

/// A data source.
pub(super) struct DataSource {
    pub name: String,
    pub fields: Vec<Field>,
}

impl Facts {
    /// Reads an image, with what its metadata says or, when that cannot be used, without.
    pub fn read(image: &GadgetImage, problems: &mut Vec<String>) -> Option<Self> {
        // What would be logged at run time is told by the checks, with its place.
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || Facts::open(image, problems))
    }

    fn open(image: &GadgetImage, problems: &mut Vec<String>) -> Option<Self> {
        let gadget = match crate::gadget::open(image, "") {
            Ok(gadget) => gadget,
            Err(error) => {
                problems.push(chain(&error));
                // Without metadata the rest can still be checked, unless it is the object that is broken.
                crate::gadget::open(&GadgetImage { metadata: Vec::new(), ..image.clone() }, "").ok()?
            }
        };
        Some(Facts::of(gadget, image.wasm.is_some()))
    }

    fn of(gadget: Gadget, has_module: bool) -> Self {
        let variables = gadget.object.as_deref().map(variables).unwrap_or_default();
        let sources = gadget.sources.into_iter().map(|source| {
            let schema = source.schema.finish();
            DataSource { name: source.name, fields: schema.fields().to_vec() }
        });
        Facts { sources: sources.collect(), params: gadget.params, programs: gadget.programs, variables, has_module }
    }

    pub fn source(&self, name: &str) -> Option<&DataSource> {
        self.sources.iter().find(|source| source.name.eq_ignore_ascii_case(name))
    }
}

impl DataSource {
    /// Whether there is a field of that name, or will be once operators have added theirs.
    pub fn has(&self, name: &str) -> bool {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        let operators = ["k8s.", "runtime."].iter().any(|start| name.to_lowercase().starts_with(start));
        operators
            || self.fields.iter().any(|field| is(&field.name) || derived(field).iter().any(|known| is(known)) || is_endpoints(field, name))
    }

    /// All names that [`DataSource::has`] and that somebody may have mistyped.
    pub fn names(&self) -> Vec<String> {
        self.fields.iter().flat_map(|field| std::iter::once(field.name.clone()).chain(derived(field))).collect()
    }

    /// The fields that the gadget's author has to describe: not those inside of special types.
    pub fn own(&self) -> impl Iterator<Item = &Field> {
        let groups = |field: &Field| field.types.iter().any(|name| GROUPS.contains(&name.as_str()));
        let is_inside = |field: &Field| self.fields.iter().any(|parent| is_whole(parent) && is_below(&field.name, &parent.name));
        self.fields.iter().filter(move |field| !groups(field) && !is_inside(field))
    }
}

/// Names of the texts that operators make of a field.
pub(super) fn derived(field: &Field) -> Vec<String> {
    let sibling = |leaf: &str| field.parent().map_or_else(|| leaf.to_owned(), |parent| format!("{parent}.{leaf}"));
    let stem = field.leaf().strip_suffix("_raw").filter(|leaf| !leaf.is_empty()).map(sibling);
    let targets = field
        .annotations
        .iter()
        .filter(|(key, _)| key.ends_with(".target") || matches!(key.as_str(), "ebpf.formatter.kstack" | "ebpf.formatter.enum"));
    let targets = targets.flat_map(|(_, leaf)| [sibling(leaf), leaf.clone()]);
    let beside = BESIDE.iter().filter(|(name, _)| field.types.iter().any(|t| t == name)).map(|(_, leaf)| sibling(leaf));
    stem.into_iter().chain(targets).chain(beside).collect()
}

/// Whether operators make the text of a field that has another name, so that the number is only for programs.
pub(super) fn is_raw(field: &Field) -> bool {
    let formatted = matches!(field.source, Source::BootTime { .. }) || field.types.iter().any(|name| name.starts_with(WHOLE));
    formatted && field.leaf().ends_with("_raw")
}

fn is_endpoints(field: &Field, name: &str) -> bool {
    let is_endpoint = field.types.iter().any(|t| t == "gadget_l3endpoint_t" || t == "gadget_l4endpoint_t");
    let (name, parent) = (name.to_lowercase(), field.name.to_lowercase());
    let inner = name.strip_prefix(&parent).and_then(|rest| rest.strip_prefix('.'));
    is_endpoint && inner.is_some_and(|inner| matches!(inner, "addr" | "proto" | "endpoint") || inner.starts_with("k8s."))
}

fn is_whole(field: &Field) -> bool {
    matches!(field.kind, ValueKind::Struct | ValueKind::Bytes) && field.types.iter().any(|name| name.starts_with(WHOLE))
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
}

fn variables(object: &[u8]) -> Vec<(String, bool)> {
    let Ok(elf) = Elf::parse(object) else { return Vec::new() };
    let Some(btf) = elf.section(".BTF").and_then(|section| Btf::parse(section.data).ok()) else { return Vec::new() };
    let types = btf.ids().filter_map(|id| btf.get(id).ok().filter(|t| t.kind == Kind::Var));
    let named = types.filter_map(|t| Some((btf.string(t.name).ok()?.to_owned(), t.linkage() == Some(1) && is_settable(&btf, t.word))));
    named.filter(|(name, _)| !name.starts_with("gadget_")).collect()
}

/// `const volatile`, on an array's elements too.
fn is_settable(btf: &Btf<'_>, mut id: u32) -> bool {
    let (mut constant, mut volatile) = (false, false);
    for _ in 0..16 {
        let Ok(t) = btf.get(id) else { return false };
        match t.kind {
            Kind::Const => constant = true,
            Kind::Volatile => volatile = true,
            Kind::Array => {
                let Some(array) = t.array() else { return false };
                id = array.element;
                continue;
            }
            _ => break,
        }
        id = t.word;
    }
    constant && volatile
}

/// An error and its causes in one line.
pub(super) fn chain(error: &GadgetError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}
