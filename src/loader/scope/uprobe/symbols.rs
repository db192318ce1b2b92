//! Where functions begin, as an ELF file's symbol tables say.

use super::bytes::{FileError, PIECE, number};
use super::elf::{Elf, Section};
use super::names;

const SYMTAB: u32 = 2;
const DYNSYM: u32 = 11;
const VERSIONS: u32 = 0x6fff_ffff;
const FUNCTION: u64 = 2;
/// A version that is kept for old programs only.
const HIDDEN: u64 = 0x8000;
/// Bytes of a symbol table that are read.
const LARGEST: u64 = 256 << 20;

/// Address of each function, in the order of `names`: from `.symtab`, else from `.dynsym`. Of several functions of one name the one that
/// is visible outside counts, and of its versions the one that new programs get.
///
/// # Errors
/// When a table is broken; what was found elsewhere is lost with it.
pub fn find(elf: &Elf<'_>, names: &[&str]) -> Result<Vec<Option<u64>>, FileError> {
    let mut found = vec![None; names.len()];
    for kind in [SYMTAB, DYNSYM] {
        let Some((index, table)) = elf.sections.iter().enumerate().find(|(_, s)| s.kind == kind) else { continue };
        let versions = elf.sections.iter().find(|s| s.kind == VERSIONS && s.link == index);
        let mut best = vec![None; names.len()];
        search(elf, table, versions, names, &mut best)?;
        for (found, best) in found.iter_mut().zip(best) {
            *found = found.or(best.map(|Ranked { address, .. }| address));
        }
    }
    Ok(found)
}

#[derive(Clone, Copy)]
struct Ranked {
    rank: u64,
    address: u64,
}

fn search(
    elf: &Elf<'_>,
    table: &Section,
    versions: Option<&Section>,
    names: &[&str],
    best: &mut [Option<Ranked>],
) -> Result<(), FileError> {
    let Some(strings) = elf.sections.get(table.link) else { return Ok(()) };
    let wanted = names::find(elf.bytes, strings.offset..strings.end(), names)?;
    let entry = if elf.wide { 24 } else { 16 };
    if wanted.is_empty() || table.size > LARGEST {
        return Ok(());
    }
    let (mut buffer, mut index, mut left) = (vec![0; PIECE / entry * entry], 0, table.size / entry as u64);
    while left > 0 {
        let count = left.min((buffer.len() / entry) as u64);
        let piece = buffer.get_mut(..count as usize * entry).unwrap_or_default();
        elf.bytes.fill(table.offset.saturating_add(index * entry as u64), piece)?;
        for (symbol, index) in piece.chunks_exact(entry).zip(index..) {
            let Some((name, found)) = function(symbol, elf.wide).and_then(|(at, found)| Some((*wanted.get(&at)?, found))) else { continue };
            let rank = found.rank * 2 + u64::from(!is_hidden(elf, versions, index));
            if let Some(best) = best.get_mut(name).filter(|best| best.is_none_or(|b| b.rank < rank)) {
                *best = Some(Ranked { rank, ..found });
            }
        }
        (index, left) = (index + count, left - count);
    }
    Ok(())
}

/// Where the name of a function stands, its address and how visible it is; `None` for any other symbol.
fn function(symbol: &[u8], wide: bool) -> Option<(u64, Ranked)> {
    let (info, section, address) = match wide {
        true => (number(symbol, 4, 1)?, number(symbol, 6, 2)?, number(symbol, 8, 8)?),
        false => (number(symbol, 12, 1)?, number(symbol, 14, 2)?, number(symbol, 4, 4)?),
    };
    // 0 is local, 1 global, 2 weak.
    let rank = [0, 2, 1].get((info >> 4) as usize).copied().unwrap_or(0);
    (info & 0xf == FUNCTION && section != 0).then_some((number(symbol, 0, 4)?, Ranked { rank, address }))
}

fn is_hidden(elf: &Elf<'_>, versions: Option<&Section>, index: u64) -> bool {
    let Some(versions) = versions else { return false };
    let mut version = [0; 2];
    let at = versions.offset.checked_add(index * 2);
    at.is_some_and(|at| elf.bytes.fill(at, &mut version).is_ok()) && number(&version, 0, 2).is_some_and(|v| v & HIDDEN != 0)
}
