//! The marker variables with which a gadget declares what it is. Only their names and types in BTF matter.

use std::borrow::Cow;

use super::btf::{Btf, Kind};
use super::tags;

/// A declaration, its name split into parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Marker<'b> {
    /// Records of `structure` arrive through ring or perf buffer `map`.
    Tracer { name: &'b str, map: &'b str, structure: &'b str },
    /// `map` may be made a perf buffer where the kernel has no ring buffers.
    Switchable { map: &'b str },
    /// `variable` is a parameter.
    Param { variable: &'b str },
    /// Programs (`___` between them) write records of `structure` when read. `old` is how it was declared by former headers.
    Iter { name: &'b str, structure: &'b str, programs: Cow<'b, str>, old: bool },
    /// Entries of `map` are the records.
    MapIter { name: &'b str, map: &'b str },
    /// `program` belongs to `map`.
    Target { kind: TargetKind, program: &'b str, map: &'b str },
}

impl Marker<'_> {
    /// Whether both declare the same thing, be it differently.
    pub(super) fn is_about_the_same_as(&self, other: &Marker<'_>) -> bool {
        let about = |marker: &Marker<'_>| match marker {
            Marker::Tracer { name, .. } | Marker::Iter { name, .. } | Marker::MapIter { name, .. } => (*name).to_owned(),
            Marker::Switchable { map } => (*map).to_owned(),
            Marker::Param { variable } => (*variable).to_owned(),
            Marker::Target { program, .. } => (*program).to_owned(),
        };
        std::mem::discriminant(self) == std::mem::discriminant(other) && about(self) == about(other)
    }
}

/// What a program has to do with the map it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetKind {
    /// It iterates over its elements.
    Elements,
    /// It sees the packets of its sockets.
    Sockets,
}

/// A marker whose name has the wrong number of parts, and how it should be named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed<'b>(pub &'b str, pub &'static str);

type Parsed<'b> = Result<Marker<'b>, Malformed<'b>>;
type Reader = for<'b> fn(&'b str) -> Option<Marker<'b>>;

/// What markers begin with, what is expected behind it, and how that is read.
const KINDS: [(&str, &str, Reader); 8] = [
    ("gadget_tracer_", "<name>___<map>___<struct>", |rest| {
        let [name, map, structure] = split(rest)?;
        Some(Marker::Tracer { name, map, structure })
    }),
    ("gadget_map_tracer_", "<map>", |rest| split(rest).map(|[map]| Marker::Switchable { map })),
    ("gadget_param_", "<variable>", |rest| (!rest.is_empty()).then_some(Marker::Param { variable: rest })),
    ("gadget_iter_", "<name>___<struct>___<program>[___<program>...]", |rest| iter(rest, false)),
    ("gadget_snapshotter_", "<name>___<struct>___<program>[___<program>...]", |rest| iter(rest, true)),
    ("gadget_mapiter_", "<name>___<map>", |rest| split(rest).map(|[name, map]| Marker::MapIter { name, map })),
    ("gadget_mapelem_iter_target_", "<program>___<map>", |rest| target(rest, TargetKind::Elements)),
    ("gadget_sk_prog_target_", "<program>___<map>", |rest| target(rest, TargetKind::Sockets)),
];
const VARIABLE: &str = "gadget_var_";

/// All markers, in the order of their types. Variables that only look like one are skipped.
pub(super) fn find<'b>(btf: &'b Btf<'_>) -> impl Iterator<Item = Parsed<'b>> {
    btf.ids().filter_map(|id| {
        let variable = btf.get(id).ok().filter(|t| t.kind == Kind::Var)?;
        let name = btf.string(variable.name).ok().filter(|n| n.starts_with("gadget_"))?;
        let parsed = parse(name)?;
        if variable.linkage() == Some(1) && is_pointer_to_const_void(btf, variable.word) {
            return Some(parsed);
        }
        tracing::debug!(variable = name, "not a marker in spite of its name: it is no global pointer to const void");
        None
    })
}

/// Variables whose values the host gives, as (name, variable): `x` and `x` or, if there is no such variable, `gadget_var_x`.
pub(super) fn host_variables(btf: &Btf<'_>) -> Vec<(String, String)> {
    let variables = btf.ids().filter_map(|id| btf.get(id).ok().filter(|t| t.kind == Kind::Var));
    let names = variables.filter_map(|variable| {
        let name = btf.string(variable.name).ok()?;
        let bare = name.strip_prefix(VARIABLE).filter(|bare| !bare.is_empty())?;
        if !is_const_volatile(btf, variable.word) {
            tracing::debug!(variable = name, "not set by the host in spite of its name: it is not const volatile");
            return None;
        }
        let variable = if btf.variable(bare).is_some() { bare } else { name };
        Some((bare.to_owned(), variable.to_owned()))
    });
    names.chain(tags::host_variables(btf).map(|name| (name.to_owned(), name.to_owned()))).collect()
}

fn is_const_volatile(btf: &Btf<'_>, id: u32) -> bool {
    let Ok(outer) = btf.get(id).map(|t| (t.kind, t.word)) else { return false };
    let inner = btf.get(outer.1).map(|t| t.kind);
    matches!((outer.0, inner), (Kind::Const, Ok(Kind::Volatile)) | (Kind::Volatile, Ok(Kind::Const)))
}

fn is_pointer_to_const_void(btf: &Btf<'_>, id: u32) -> bool {
    let kind = |id: u32| btf.get(id).map(|t| (t.kind, t.word));
    let Ok((Kind::Ptr, pointee)) = kind(id) else { return false };
    let Ok((Kind::Const, target)) = kind(pointee) else { return false };
    matches!(kind(target), Ok((Kind::Void, _)))
}

fn parse(name: &str) -> Option<Parsed<'_>> {
    let (rest, expected, read) = KINDS.iter().find_map(|(prefix, expected, read)| Some((name.strip_prefix(prefix)?, *expected, read)))?;
    Some(read(rest).ok_or(Malformed(name, expected)))
}

/// Exactly so many parts, none of them empty.
pub(super) fn split<const PARTS: usize>(rest: &str) -> Option<[&str; PARTS]> {
    let mut parts = rest.split("___");
    let mut found = [""; PARTS];
    for part in &mut found {
        *part = parts.next().filter(|p| !p.is_empty())?;
    }
    parts.next().is_none().then_some(found)
}

fn iter(rest: &str, old: bool) -> Option<Marker<'_>> {
    let mut parts = rest.splitn(3, "___").filter(|p| !p.is_empty());
    let (name, structure, programs) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = programs.split("___").all(|p| !p.is_empty());
    whole.then_some(Marker::Iter { name, structure, programs: programs.into(), old })
}

fn target(rest: &str, kind: TargetKind) -> Option<Marker<'_>> {
    split(rest).map(|[program, map]| Marker::Target { kind, program, map })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of marker is told from the others, whatever its name begins like.
    #[test]
    fn reads_names() {
        let read = |name: &'static str| parse(name).map(Result::unwrap);
        assert_eq!(read("gadget_tracer_a___b___c"), Some(Marker::Tracer { name: "a", map: "b", structure: "c" }));
        assert_eq!(read("gadget_map_tracer_events"), Some(Marker::Switchable { map: "events" }));
        assert_eq!(read("gadget_param_a___b"), Some(Marker::Param { variable: "a___b" }));
        let iter = |old| Marker::Iter { name: "a", structure: "s", programs: "p___q".into(), old };
        assert_eq!(read("gadget_iter_a___s___p___q"), Some(iter(false)));
        assert_eq!(read("gadget_snapshotter_a___s___p___q"), Some(iter(true)));
        assert_eq!(read("gadget_mapiter_a___m"), Some(Marker::MapIter { name: "a", map: "m" }));
        let target = |kind| Marker::Target { kind, program: "p", map: "m" };
        assert_eq!(read("gadget_mapelem_iter_target_p___m"), Some(target(TargetKind::Elements)));
        assert_eq!(read("gadget_sk_prog_target_p___m"), Some(target(TargetKind::Sockets)));
        assert_eq!(read("gadget_filter_by_mntns"), None);
    }

    /// Too few, too many and empty parts are errors that show what is right.
    #[test]
    fn refuses_malformed_names() {
        for name in ["gadget_tracer_a___b", "gadget_tracer_a___b___c___d", "gadget_tracer____b___c", "gadget_map_tracer_", "gadget_param_"]
        {
            assert!(parse(name).unwrap().is_err(), "{name}");
        }
        for name in ["gadget_iter_a___s", "gadget_iter_a___s___p______q", "gadget_mapiter_a", "gadget_sk_prog_target_p___m___x"] {
            assert!(parse(name).unwrap().is_err(), "{name}");
        }
        assert_eq!(parse("gadget_mapiter_a"), Some(Err(Malformed("gadget_mapiter_a", "<name>___<map>"))));
    }
}
