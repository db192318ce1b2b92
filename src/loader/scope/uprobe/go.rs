//! Where functions of a Go program begin, which its runtime has to know even when symbols were stripped: `.gopclntab`, in the forms of
//! Go 1.2, 1.16, 1.18 and 1.20.

use super::bytes::{FileError, Window, number};
use super::elf::{Elf, Section};
use super::names;

/// Where the table may be; the second in position-independent programs.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// More functions than any program has.
const MOST: u64 = 1 << 23;
const MISSING: FileError = FileError::Malformed("the table of Go functions is broken");

/// How the table is laid out. Offsets count from its beginning.
struct Layout {
    functions: u64,
    /// Where names are counted from.
    names: u64,
    /// Where the table of functions is, and where descriptions of functions are counted from.
    table: u64,
    descriptions: u64,
    /// Bytes of an address or offset in the table.
    word: usize,
    /// What addresses are counted from.
    start: u64,
}

/// Address of each function, in the order of `names`; none at all when it is no Go program.
///
/// # Errors
/// When the table is broken or of an unknown form.
pub fn find(elf: &Elf<'_>, names: &[&str]) -> Result<Vec<Option<u64>>, FileError> {
    let mut found = vec![None; names.len()];
    let Some(section) = SECTIONS.iter().find_map(|name| elf.section(name)) else { return Ok(found) };
    let layout = layout(elf, section)?;
    let start = section.offset.saturating_add(layout.names);
    let wanted = names::find(elf.bytes, start..section.end().max(start), names)?;
    if wanted.is_empty() {
        return Ok(found);
    }
    let (mut table, mut descriptions) = (Window::new(elf.bytes, section.end()), Window::new(elf.bytes, section.end()));
    for index in 0..layout.functions {
        let at = place(&[section.offset, layout.table, index * 2 * layout.word as u64])?;
        let entry = table.get(at, 2 * layout.word)?;
        let address = number(entry, 0, layout.word).and_then(|a| a.checked_add(layout.start)).ok_or(MISSING)?;
        let description = number(entry, layout.word, layout.word).ok_or(MISSING)?;
        // The function's address, then where its name is.
        let at = place(&[section.offset, layout.descriptions, description, layout.word as u64])?;
        let name = number(descriptions.get(at, 4)?, 0, 4).ok_or(MISSING)?;
        if let Some(slot) = wanted.get(&name).and_then(|index| found.get_mut(*index)) {
            slot.get_or_insert(address);
        }
    }
    Ok(found)
}

fn layout(elf: &Elf<'_>, section: &Section) -> Result<Layout, FileError> {
    let mut window = Window::new(elf.bytes, section.end());
    let header = window.get(section.offset, 8)?.to_vec();
    let size = match header.get(7) {
        Some(4) => 4,
        Some(8) => 8,
        _ => return Err(MISSING),
    };
    let count = |at: u64| -> Result<u64, FileError> {
        let at = place(&[section.offset, 8, at * size as u64])?;
        number(Window::new(elf.bytes, section.end()).get(at, size)?, 0, size).ok_or(MISSING)
    };
    let layout = match number(&header, 0, 4) {
        Some(0xffff_fffb) => Layout { functions: count(0)?, names: 0, table: 8 + size as u64, descriptions: 0, word: size, start: 0 },
        Some(0xffff_fffa) => {
            let table = count(6)?;
            Layout { functions: count(0)?, names: count(2)?, table, descriptions: table, word: size, start: 0 }
        }
        Some(0xffff_fff0 | 0xffff_fff1) => {
            let table = count(7)?;
            Layout { functions: count(0)?, names: count(3)?, table, descriptions: table, word: 4, start: text_start(elf, count(2)?)? }
        }
        _ => return Err(FileError::Malformed("the table of Go functions is of an unknown form")),
    };
    if layout.functions > MOST { Err(MISSING) } else { Ok(layout) }
}

/// Position-independent programs have it filled in when they are started.
fn text_start(elf: &Elf<'_>, written: u64) -> Result<u64, FileError> {
    match written {
        0 => elf.section(".text").map(|s| s.address).ok_or(MISSING),
        start => Ok(start),
    }
}

fn place(parts: &[u64]) -> Result<u64, FileError> {
    parts.iter().try_fold(0u64, |sum, part| sum.checked_add(*part)).ok_or(MISSING)
}
