//! A gadget's parameters: `const volatile` variables that users may set, and some that the host reads itself.

mod kind;
#[cfg(test)]
mod tests;

use super::btf::{Btf, BtfError, Kind};
use super::elf::Elf;
use super::manifest::Manifest;
pub use kind::{ParamError, ParamKind};

/// Key of the interval at which maps are read.
pub const MAP_FETCH_INTERVAL: &str = "map-fetch-interval";
/// Key of the number of times maps are read.
pub const MAP_FETCH_COUNT: &str = "map-fetch-count";
/// Key of the host's interface that classifiers are attached to instead of the containers'.
pub const INTERFACE: &str = "iface";
/// Longest name of an interface.
const INTERFACE_BYTES: u32 = 15;
/// What full parameter names may begin with.
const PREFIXES: [&str; 2] = ["operator.oci.ebpf.", "operator.ebpf."];

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    /// What users call it.
    pub key: String,
    /// The variable in `.rodata`; empty for one that the host reads itself.
    pub variable: String,
    /// What values it takes.
    pub kind: ParamKind,
    /// The value when nobody sets one; empty means the object's own initial value stays.
    pub default: String,
    /// Help text.
    pub description: String,
    /// Bytes of the variable; 0 for one that the host reads itself.
    pub size: u32,
}

impl ParamSpec {
    /// The bytes of a value as they belong into `.rodata`; none for a parameter that the host reads itself.
    ///
    /// # Errors
    /// When the text is not a value of the parameter's kind, or out of range.
    pub fn encode(&self, value: &str) -> Result<Vec<u8>, ParamError> {
        self.kind.encode(value, self.size as usize).map_err(|reason| ParamError { key: self.key.clone(), value: value.to_owned(), reason })
    }

    /// Whether users may call it `name`: the key, in full or bare, without regard to case.
    pub fn answers_to(&self, name: &str) -> bool {
        let cut = |prefix: &&str| {
            let head = name.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix))?;
            name.get(head.len()..)
        };
        let bare = PREFIXES.iter().find_map(cut).unwrap_or(name);
        bare.eq_ignore_ascii_case(&self.key)
    }
}

/// Names that parameters have everywhere: typedef (or base type), variable, key.
const WELL_KNOWN: [(&str, &str, &str); 8] = [
    ("gadget_pid", "targ_pid", "pid"),
    ("gadget_tid", "targ_tid", "tid"),
    ("gadget_uid", "targ_uid", "uid"),
    ("gadget_gid", "targ_gid", "gid"),
    ("gadget_comm", "targ_comm", "comm"),
    ("bool", "collect_ustack", "collect-ustack"),
    ("bool", "collect_build_id", "collect-build-id"),
    ("bool", "collect_otel_stack", "collect-otel-stack"),
];

/// The parameter in variable `variable`; `None` when BTF has no such variable.
pub(super) fn read(btf: &Btf<'_>, elf: &Elf<'_>, manifest: &Manifest, variable: &str) -> Result<Option<ParamSpec>, BtfError> {
    let Some(id) = btf.variable(variable) else { return Ok(None) };
    let type_id = btf.get(id)?.word;
    let (kind, names) = kind::of(btf, type_id)?;
    let size = u32::try_from(btf.size(type_id)?).map_err(|_| BtfError::Size { id: type_id })?;
    let well_known = WELL_KNOWN.iter().find(|(t, v, _)| *v == variable && names.iter().any(|n| n == t)).map(|(_, _, key)| *key);
    let notes = manifest.param(variable);
    let key = if notes.key.is_empty() { well_known.unwrap_or(variable).to_owned() } else { notes.key };
    let initial = if is_scalar_constant(btf, type_id)? { Some(kind.text(elf.constant(variable).unwrap_or_default())) } else { None };
    let overridden = manifest.param_default(&key).map(str::to_owned);
    let default = overridden.or(initial).unwrap_or(notes.default);
    Ok(Some(ParamSpec { key, variable: variable.to_owned(), kind, default, description: notes.description, size }))
}

/// Whether the qualifiers sit on the variable's own type, so that its initial value is the default. On arrays they sit on the element.
fn is_scalar_constant(btf: &Btf<'_>, type_id: u32) -> Result<bool, BtfError> {
    let outer = btf.get(type_id)?;
    if !matches!(outer.kind, Kind::Const | Kind::Volatile) {
        return Ok(false);
    }
    Ok(btf.get(btf.peel(type_id)?)?.kind != Kind::Array)
}

/// A parameter that the host reads itself.
pub(super) fn synthetic(manifest: &Manifest, key: &str, kind: ParamKind, default: &str, description: &str) -> ParamSpec {
    ParamSpec {
        key: key.to_owned(),
        variable: String::new(),
        kind,
        default: manifest.param_default(key).unwrap_or(default).to_owned(),
        description: description.to_owned(),
        size: 0,
    }
}

/// The two parameters of gadgets whose maps are read.
pub(super) fn fetch_params(manifest: &Manifest) -> [ParamSpec; 2] {
    let make = |key: &str, kind, default: &str, description: &str| synthetic(manifest, key, kind, default, description);
    [
        make(MAP_FETCH_INTERVAL, ParamKind::Interval, "1000ms", "How often maps are read: a duration, or source:duration,..."),
        make(MAP_FETCH_COUNT, ParamKind::Count, "0", "How many times maps are read, 0 for no end: a number, or source:number,..."),
    ]
}

/// The parameter of gadgets with traffic control programs.
pub(super) fn interface_param(manifest: &Manifest) -> ParamSpec {
    let description = "Network interface of the host to attach to instead of those of containers";
    synthetic(manifest, INTERFACE, ParamKind::Text(INTERFACE_BYTES), "", description)
}

/// What a value of an interval or count parameter says about one data source.
pub(super) fn for_source<'v>(value: &'v str, source: &str) -> Option<&'v str> {
    if !value.contains(':') {
        return Some(value);
    }
    value.split(',').filter_map(|part| part.split_once(':')).find(|(name, _)| *name == source).map(|(_, v)| v)
}
