//! A gadget's parameters: `const volatile` variables that users may set, and some that the host reads itself.

mod host;
mod kind;
#[cfg(test)]
mod tests;

use super::btf::{Btf, BtfError, Kind};
use super::elf::Elf;
use super::manifest::Manifest;
pub use host::{INTERFACE, MAP_FETCH_COUNT, MAP_FETCH_INTERVAL, TRACE_PIPE};
pub(super) use host::{fetch_params, for_source, of_host, packet_filters, synthetic};
pub use kind::{ParamError, ParamKind};

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
    /// Tags such as `group:Process`, for help texts.
    pub tags: Vec<String>,
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
        bare(name).eq_ignore_ascii_case(&self.key)
    }
}

/// The parameters that are meant by `name`, in full or bare: those of exactly this key, else those of it in another case.
pub fn called<'p>(params: &'p [ParamSpec], name: &str) -> Vec<&'p ParamSpec> {
    let exactly: Vec<_> = params.iter().filter(|p| p.key == bare(name)).collect();
    if exactly.is_empty() { params.iter().filter(|p| p.answers_to(name)).collect() } else { exactly }
}

/// The key in a name that may be a full one.
fn bare(name: &str) -> &str {
    let cut = |prefix: &&str| {
        let head = name.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix))?;
        name.get(head.len()..)
    };
    PREFIXES.iter().find_map(cut).unwrap_or(name)
}

/// Names that parameters have everywhere: typedef (or base type), variable, key, tag.
const WELL_KNOWN: [(&str, &str, &str, &str); 8] = [
    ("gadget_pid", "targ_pid", "pid", PROCESS),
    ("gadget_tid", "targ_tid", "tid", PROCESS),
    ("gadget_uid", "targ_uid", "uid", PROCESS),
    ("gadget_gid", "targ_gid", "gid", PROCESS),
    ("gadget_comm", "targ_comm", "comm", PROCESS),
    ("bool", "collect_ustack", "collect-ustack", PROCESS),
    ("bool", "collect_build_id", "collect-build-id", PROCESS),
    ("bool", "collect_otel_stack", "collect-otel-stack", ""),
];
const PROCESS: &str = "group:Process";

/// The parameter in variable `variable`; `None` when BTF has no such variable.
pub(super) fn read(btf: &Btf<'_>, elf: &Elf<'_>, manifest: &Manifest, variable: &str) -> Result<Option<ParamSpec>, BtfError> {
    let Some(id) = btf.variable(variable) else { return Ok(None) };
    let type_id = btf.get(id)?.word;
    let (kind, names) = kind::of(btf, type_id)?;
    let size = u32::try_from(btf.size(type_id)?).map_err(|_| BtfError::Size { id: type_id })?;
    // Without the typedef of kernel headers, the type itself has its C name.
    let is_called = |t: &str| names.iter().any(|n| n == t || (t == "bool" && n == "_Bool"));
    let well_known = WELL_KNOWN.iter().find(|(t, v, ..)| *v == variable && is_called(t));
    let (well_known, tag) = well_known.map_or((variable, ""), |(_, _, key, tag)| (key, tag));
    let notes = manifest.param(variable);
    let key = if notes.key.is_empty() { well_known.to_owned() } else { notes.key };
    let tags = [tag].into_iter().filter(|t| !t.is_empty()).map(str::to_owned).collect();
    let initial = if is_scalar_constant(btf, type_id)? { Some(kind.text(elf.constant(variable).unwrap_or_default())) } else { None };
    let overridden = manifest.param_default(&key).map(str::to_owned);
    let default = overridden.or(initial).unwrap_or(notes.default);
    Ok(Some(ParamSpec { key, variable: variable.to_owned(), kind, default, description: notes.description, tags, size }))
}

/// Whether the qualifiers sit on the variable's own type, so that its initial value is the default. On arrays they sit on the element.
fn is_scalar_constant(btf: &Btf<'_>, type_id: u32) -> Result<bool, BtfError> {
    let outer = btf.get(type_id)?;
    if !matches!(outer.kind, Kind::Const | Kind::Volatile) {
        return Ok(false);
    }
    Ok(btf.get(btf.peel(type_id)?)?.kind != Kind::Array)
}
