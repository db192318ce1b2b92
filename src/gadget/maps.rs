//! BTF-defined maps: what `.maps` says about a map.

use super::btf::{Btf, BtfError, DatasecEntry, Kind};

/// `BPF_MAP_TYPE_HASH`.
pub(super) const HASH: u32 = 1;
/// `BPF_MAP_TYPE_PERF_EVENT_ARRAY`.
pub(super) const PERF_EVENT_ARRAY: u32 = 4;
/// `BPF_MAP_TYPE_SOCKMAP`.
pub(super) const SOCKMAP: u32 = 15;
/// `BPF_MAP_TYPE_SOCKHASH`.
pub(super) const SOCKHASH: u32 = 18;
/// `BPF_MAP_TYPE_RINGBUF`.
pub(super) const RINGBUF: u32 = 27;

/// A map declaration; 0 for what it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Map {
    pub kind: u32,
    /// BTF id of the key's type.
    pub key: u32,
    /// BTF id of the value's type.
    pub value: u32,
}

/// The map of this name; `None` when the object declares none.
pub(super) fn find(btf: &Btf<'_>, name: &str) -> Result<Option<Map>, BtfError> {
    let Some(section) = btf.find(".maps", Kind::Datasec) else { return Ok(None) };
    for entry in btf.get(section)?.entries() {
        let variable = btf.get(entry.type_id)?;
        if variable.kind == Kind::Var && btf.string(variable.name)? == name {
            return read(btf, variable.word).map(Some);
        }
    }
    Ok(None)
}

/// Names and types (`BPF_MAP_TYPE_*`) of all maps that the object declares; 0 for a type that it does not say.
///
/// # Errors
/// When a declaration is broken.
pub fn kinds(btf: &Btf<'_>) -> Result<Vec<(String, u32)>, BtfError> {
    let Some(section) = btf.find(".maps", Kind::Datasec) else { return Ok(Vec::new()) };
    let kind = |entry: DatasecEntry| {
        let variable = btf.get(entry.type_id)?;
        Ok((btf.string(variable.name)?.to_owned(), read(btf, variable.word)?.kind))
    };
    btf.get(section)?.entries().map(kind).collect()
}

fn read(btf: &Btf<'_>, id: u32) -> Result<Map, BtfError> {
    let mut map = Map::default();
    for member in btf.get(btf.peel(id)?)?.members() {
        match btf.string(member.name)? {
            "type" => map.kind = number(btf, member.type_id)?,
            "key" => map.key = pointee(btf, member.type_id)?,
            "value" => map.value = pointee(btf, member.type_id)?,
            _ => {}
        }
    }
    Ok(map)
}

fn pointee(btf: &Btf<'_>, id: u32) -> Result<u32, BtfError> {
    let id = btf.peel(id)?;
    let t = btf.get(id)?;
    if t.kind == Kind::Ptr { Ok(t.word) } else { Err(BtfError::WrongKind { id, found: t.kind }) }
}

/// `__uint(x, n)` is a pointer to an array of n elements.
fn number(btf: &Btf<'_>, id: u32) -> Result<u32, BtfError> {
    let id = btf.peel(pointee(btf, id)?)?;
    let t = btf.get(id)?;
    t.array().map(|a| a.len).ok_or(BtfError::WrongKind { id, found: t.kind })
}
