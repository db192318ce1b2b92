//! The marker variables with which a gadget declares what it is. Only their names and types in BTF matter.

use super::btf::{Btf, Kind};

/// A declaration, its name split into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker<'b> {
    /// Records of `structure` arrive through ring or perf buffer `map`.
    Tracer { name: &'b str, map: &'b str, structure: &'b str },
    /// `variable` is a parameter.
    Param { variable: &'b str },
    /// Programs (`___` between them) write records of `structure` when read.
    Iter { name: &'b str, structure: &'b str, programs: &'b str },
    /// Entries of `map` are the records.
    MapIter { name: &'b str, map: &'b str },
}

/// A marker whose name has the wrong number of parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed<'b>(pub &'b str);

/// All markers, in the order of their types. Variables that only look like one are skipped.
pub(super) fn find<'b>(btf: &'b Btf<'_>) -> impl Iterator<Item = Result<Marker<'b>, Malformed<'b>>> {
    btf.ids().filter_map(|id| {
        let variable = btf.get(id).ok().filter(|t| t.kind == Kind::Var && t.linkage() == Some(1))?;
        let name = btf.string(variable.name).ok().filter(|n| n.starts_with("gadget_"))?;
        is_pointer_to_const_void(btf, variable.word).then(|| parse(name)).flatten()
    })
}

fn is_pointer_to_const_void(btf: &Btf<'_>, id: u32) -> bool {
    let kind = |id: u32| btf.get(id).map(|t| (t.kind, t.word));
    let Ok((Kind::Ptr, pointee)) = kind(id) else { return false };
    let Ok((Kind::Const, target)) = kind(pointee) else { return false };
    matches!(kind(target), Ok((Kind::Void, _)))
}

fn parse(name: &str) -> Option<Result<Marker<'_>, Malformed<'_>>> {
    let malformed = Err(Malformed(name));
    if let Some(rest) = name.strip_prefix("gadget_tracer_") {
        let mut parts = rest.split("___");
        return Some(match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(map), Some(structure), None) => Ok(Marker::Tracer { name, map, structure }),
            _ => malformed,
        });
    }
    if let Some(variable) = name.strip_prefix("gadget_param_") {
        return Some(Ok(Marker::Param { variable }));
    }
    if let Some(rest) = name.strip_prefix("gadget_iter_").or_else(|| name.strip_prefix("gadget_snapshotter_")) {
        let mut parts = rest.splitn(3, "___");
        return Some(match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(structure), Some(programs)) => Ok(Marker::Iter { name, structure, programs }),
            _ => malformed,
        });
    }
    let rest = name.strip_prefix("gadget_mapiter_")?;
    Some(match rest.split_once("___") {
        Some((name, map)) if !map.contains("___") => Ok(Marker::MapIter { name, map }),
        _ => malformed,
    })
}
