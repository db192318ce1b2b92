//! Sizes that a declaration may ask the kernel for: it would try to allocate them.

use super::error::{PrepareError, malformed, too_much};
use crate::gadget::btf::{Btf, BtfError, Kind};

/// Most bytes of a map. The largest of upstream's gadgets take some tens of megabytes.
const MAX_MAP: u64 = 1 << 30;
const MAX_MAPS: usize = 1000;
/// Largest key or value.
const MAX_ELEMENT: u64 = 64 << 20;

/// Checks what `.maps` declares.
pub(super) fn check_maps(btf: &Btf<'_>) -> Result<(), PrepareError> {
    let Some(section) = btf.find(".maps", Kind::Datasec) else { return Ok(()) };
    let variables: Vec<u32> = btf.get(section)?.entries().map(|e| e.type_id).collect();
    if variables.len() > MAX_MAPS {
        return Err(too_much(format!("{} maps", variables.len()), MAX_MAPS.to_string()));
    }
    for variable in variables {
        let shape = Shape::of(btf, btf.get(variable)?.word)?;
        let name = btf.name(variable);
        if shape.key.max(shape.value) > MAX_ELEMENT || shape.bytes() > MAX_MAP {
            return Err(too_much(format!("a map {name:?} of {} MiB", shape.bytes() >> 20), format!("{} MiB", MAX_MAP >> 20)));
        }
    }
    Ok(())
}

/// What a map's declaration says; 0 for what it does not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    kind: u64,
    key: u64,
    value: u64,
    entries: u64,
    flags: u64,
}

impl Shape {
    fn of(btf: &Btf<'_>, id: u32) -> Result<Self, PrepareError> {
        let mut shape = Shape::default();
        let definition = btf.get(btf.peel(id)?)?;
        if definition.kind != Kind::Struct {
            return Err(malformed("a map is not declared as a struct"));
        }
        for member in definition.members() {
            match btf.string(member.name)? {
                "type" => shape.kind = number(btf, member.type_id)?,
                "max_entries" => shape.entries = number(btf, member.type_id)?,
                "map_flags" => shape.flags = number(btf, member.type_id)?,
                "key_size" => shape.key = number(btf, member.type_id)?,
                "value_size" => shape.value = number(btf, member.type_id)?,
                "key" => shape.key = size_behind(btf, member.type_id)?,
                "value" => shape.value = size_behind(btf, member.type_id)?,
                _ => {}
            }
        }
        Ok(shape)
    }

    /// About what the kernel allocates when it makes the map.
    fn bytes(&self) -> u64 {
        const RINGBUF: u64 = 27;
        const USER_RINGBUF: u64 = 31;
        const PER_CPU: [u64; 4] = [5, 6, 10, 21];
        const NO_PREALLOC: u64 = 1;
        const PER_ENTRY: u64 = 64;
        if matches!(self.kind, RINGBUF | USER_RINGBUF) {
            return self.entries;
        }
        if self.flags & NO_PREALLOC != 0 {
            return self.entries.saturating_mul(16);
        }
        let cpus = if PER_CPU.contains(&self.kind) { cpus() } else { 1 };
        let entry = self.key.saturating_add(self.value.saturating_mul(cpus)).saturating_add(if self.key > 4 { PER_ENTRY } else { 0 });
        self.entries.saturating_mul(entry)
    }
}

fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// `__uint(x, n)` is a pointer to an array of n elements.
fn number(btf: &Btf<'_>, id: u32) -> Result<u64, BtfError> {
    let pointer = btf.get(btf.peel(id)?)?;
    let t = btf.get(btf.peel(pointer.word)?)?;
    Ok(t.array().map_or(0, |a| a.len.into()))
}

/// Size of what a pointer points to; 0 when it has none.
fn size_behind(btf: &Btf<'_>, id: u32) -> Result<u64, BtfError> {
    let pointer = btf.get(btf.peel(id)?)?;
    if pointer.kind != Kind::Ptr {
        return Ok(0);
    }
    match btf.size(pointer.word) {
        Err(BtfError::Size { .. }) => Ok(0),
        size => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would allocate is estimated by kind.
    #[test]
    fn estimates_maps() {
        let shape = |kind, key, value, entries, flags| Shape { kind, key, value, entries, flags }.bytes();
        assert_eq!(shape(27, 0, 0, 1 << 20, 0), 1 << 20);
        assert_eq!(shape(2, 4, 12, 100, 0), 1600);
        assert_eq!(shape(1, 8, 8, u32::MAX.into(), 1), u64::from(u32::MAX) * 16);
        assert!(shape(1, 8, u64::MAX, u32::MAX.into(), 0) > MAX_MAP);
    }
}
