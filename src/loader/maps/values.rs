//! Which maps and programs an object puts into its maps of maps and program arrays: `.values = { &inner, ... }`.
//!
//! They are relocations of the section `.maps`: eight bytes each, behind the other members of the map's declaration.

use std::collections::HashMap;

use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget};

use crate::gadget::btf::{Btf, Kind, Type};

const MAX_VALUES: usize = 10_000;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::loader) struct Initial {
    /// The map that holds it.
    pub map: String,
    /// Its index, which is its key.
    pub slot: u32,
    /// Name of the map or program that it is.
    pub target: String,
}

/// A named place in a section.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    section: usize,
    start: u64,
    name: &'a str,
}

/// All values of an object. One that cannot be understood is left out: those who parse the object complain about what is broken.
pub(in crate::loader) fn read(object: &[u8]) -> Vec<Initial> {
    let Ok(file) = ElfFile64::<object::Endianness>::parse(object) else { return Vec::new() };
    let Some(section) = file.section_by_name(".maps") else { return Vec::new() };
    let types = file.section_by_name(".BTF").and_then(|s| s.data().ok()).and_then(|data| Btf::parse(data).ok());
    let Some(types) = types else { return Vec::new() };
    let (offsets, places) = (values_offsets(&types), places(&file));
    let data = section.data().unwrap_or_default();
    let value = |(at, relocation): (u64, object::Relocation)| {
        let holder = last_before(&places, section.index().0, at)?;
        let RelocationTarget::Symbol(index) = relocation.target() else { return None };
        let symbol = file.symbol_by_index(index).ok()?;
        let target = match symbol.kind() {
            // A static map or program: the distance from the section's beginning stands where the address will be.
            object::SymbolKind::Section => {
                let addend = data.get(usize::try_from(at).ok()?..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
                let start = symbol.address().checked_add(addend)?;
                last_before(&places, symbol.section_index()?.0, start).filter(|place| place.start == start)?.name
            }
            _ => symbol.name().ok()?,
        };
        let first = holder.start.checked_add(*offsets.get(holder.name)?)?;
        let slot = u32::try_from(at.checked_sub(first)? / 8).ok()?;
        Some(Initial { map: holder.name.to_owned(), slot, target: target.to_owned() })
    };
    section.relocations().take(MAX_VALUES).filter_map(value).collect()
}

/// What has a name, by section and address.
fn places<'a>(file: &ElfFile64<'a, object::Endianness>) -> Vec<Place<'a>> {
    let named = file.symbols().filter(|symbol| symbol.kind() != object::SymbolKind::Section);
    let place = |symbol: object::read::elf::ElfSymbol64<'a, '_, object::Endianness>| {
        let name = symbol.name().ok().filter(|name| !name.is_empty())?;
        Some(Place { section: symbol.section_index()?.0, start: symbol.address(), name })
    };
    let mut places: Vec<_> = named.filter_map(place).collect();
    places.sort_unstable();
    places
}

fn last_before<'p, 'a>(places: &'p [Place<'a>], section: usize, at: u64) -> Option<&'p Place<'a>> {
    let behind = places.partition_point(|p| (p.section, p.start) <= (section, at));
    places.get(behind.checked_sub(1)?).filter(|p| p.section == section)
}

/// Where in each map's declaration its values begin, in bytes.
fn values_offsets<'b>(types: &'b Btf<'_>) -> HashMap<&'b str, u64> {
    let section = types.find(".maps", Kind::Datasec).and_then(|id| types.get(id).ok());
    let variables = section.into_iter().flat_map(|s| s.entries()).filter_map(|entry| types.get(entry.type_id).ok());
    let offset = |variable: Type<'b>| {
        let declaration = types.get(types.peel(variable.word).ok()?).ok()?;
        let values = declaration.members().find(|m| types.string(m.name).is_ok_and(|name| name == "values"))?;
        Some((types.string(variable.name).ok()?, u64::from(values.bit_offset) / 8))
    };
    variables.filter_map(offset).collect()
}
