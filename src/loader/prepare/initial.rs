//! `.values = { &inner }` and `.values = { &program }`: what maps of maps and program arrays hold from the beginning. aya leaves their
//! slots empty; the loader fills them when everything is loaded.

use std::collections::HashMap;

use super::edit::{Editor, u64_at};
use super::error::{PrepareError, malformed, too_much};
use crate::gadget::btf::{Btf, Kind};

const SHT_REL: u32 = 9;
const STT_FUNC: u8 = 2;
const MAX_SLOTS: usize = 100_000;

/// One slot of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The program array or map of maps.
    pub map: String,
    /// Its key.
    pub index: u32,
    /// The program or map that it holds.
    pub value: String,
    /// Whether it is a program.
    pub program: bool,
}

/// Reads the relocations of `.maps`.
pub(super) fn values(editor: &Editor<'_>, btf: &Btf<'_>) -> Result<Vec<Slot>, PrepareError> {
    let Some(section) = editor.find(".maps") else { return Ok(Vec::new()) };
    let relocations = editor.sections.iter().enumerate().filter(|(_, s)| s.kind == SHT_REL && s.info as usize == section);
    let relocations: Vec<usize> = relocations.map(|(index, _)| index).collect();
    if relocations.is_empty() {
        return Ok(Vec::new());
    }
    let arrays = arrays(btf)?;
    let symbols = editor.symbols();
    let maps: Vec<_> = symbols.iter().filter(|s| usize::from(s.section) == section && s.size > 0).collect();
    let mut slots = Vec::new();
    for entry in relocations.into_iter().flat_map(|index| editor.data(index).chunks_exact(16)) {
        let (offset, info) = (u64_at(entry, 0).unwrap_or_default(), u64_at(entry, 8).unwrap_or_default());
        let value = usize::try_from(info >> 32).ok().and_then(|i| symbols.get(i)).ok_or(malformed("a map's value refers to no symbol"))?;
        let inside = |s: &&&super::edit::Symbol| offset.checked_sub(s.value).is_some_and(|at| at < s.size);
        let map = maps.iter().find(inside).ok_or(malformed("a value belongs to no map"))?;
        let name = editor.symbol_name(**map);
        let Some(first) = arrays.get(name) else { return Err(malformed("a value belongs to a map that holds neither programs nor maps")) };
        let at =
            (offset - map.value).checked_sub(*first).filter(|at| at.is_multiple_of(8)).ok_or(malformed("a map's value is misplaced"))?;
        let index = u32::try_from(at / 8).map_err(|_| malformed("a map's value is misplaced"))?;
        let value_name = editor.symbol_name(*value);
        if value_name.is_empty() || value.section == 0 {
            return Err(malformed("a map's value is neither a program nor a map"));
        }
        slots.push(Slot { map: name.to_owned(), index, value: value_name.to_owned(), program: value.info & 0xf == STT_FUNC });
        if slots.len() > MAX_SLOTS {
            return Err(too_much("initial values of maps", MAX_SLOTS.to_string()));
        }
    }
    Ok(slots)
}

/// Where the values begin, by map.
fn arrays(btf: &Btf<'_>) -> Result<HashMap<String, u64>, PrepareError> {
    let mut arrays = HashMap::new();
    let Some(section) = btf.find(".maps", Kind::Datasec) else { return Ok(arrays) };
    for entry in btf.get(section)?.entries() {
        let variable = btf.get(entry.type_id)?;
        for member in btf.get(btf.peel(variable.word)?)?.members() {
            if btf.string(member.name)? == "values" {
                arrays.insert(btf.string(variable.name)?.to_owned(), u64::from(member.bit_offset / 8));
            }
        }
    }
    Ok(arrays)
}
