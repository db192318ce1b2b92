//! Static probes: the notes that systemtap's headers leave in a file.

use super::bytes::{FileError, number, read, text};
use super::elf::Elf;
use super::names::LONGEST;
use crate::kernel::uprobe::Site;

const SHT_PROGBITS: u32 = 1;
const SHT_NOTE: u32 = 7;
const OWNER: &[u8] = b"stapsdt\0";
const KIND: u64 = 3;
/// Notes of a file that are looked at.
const MOST: usize = 10_000;
/// Bytes of one field.
const LARGEST_FIELD: u64 = 1 << 20;
/// Bytes of all notes.
const LARGEST: u64 = 32 << 20;

/// One place where a probe is. Addresses are those of the linker, before anything was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Of the instruction.
    pub location: u64,
    /// Of the section `.stapsdt.base`.
    pub base: u64,
    /// Of the counter that says whether somebody looks; 0 for none.
    pub semaphore: u64,
    /// Who offers the probe.
    pub provider: String,
    /// Its name.
    pub name: String,
}

/// The notes of a section that are of static probes. `wide`: addresses have 64 bits. The first broken note ends it.
pub fn notes(section: &[u8], wide: bool) -> Vec<Note> {
    let (mut found, mut rest) = (Vec::new(), section);
    for _ in 0..MOST {
        let Some(any) = split(rest) else { break };
        rest = any.behind;
        if any.owner == OWNER && any.kind == KIND {
            found.extend(note(any.description, if wide { 8 } else { 4 }));
        }
    }
    found
}

/// A note of anybody's, and what is behind it.
struct AnyNote<'a> {
    owner: &'a [u8],
    kind: u64,
    description: &'a [u8],
    behind: &'a [u8],
}

fn split(bytes: &[u8]) -> Option<AnyNote<'_>> {
    let (owner, description, kind) = (number(bytes, 0, 4)?, number(bytes, 4, 4)?, number(bytes, 8, 4)?);
    if owner.max(description) > LARGEST_FIELD {
        return None;
    }
    let (owner, description) = (owner as usize, description as usize);
    let rest = bytes.get(12..)?;
    let (owner, rest) = (rest.get(..owner)?, rest.get(owner.next_multiple_of(4)..)?);
    // The padding of the last one may be missing.
    let behind = rest.get(description.next_multiple_of(4)..).unwrap_or_default();
    Some(AnyNote { owner, kind, description: rest.get(..description)?, behind })
}

fn note(description: &[u8], size: usize) -> Option<Note> {
    let provider = text(description, 3 * size, LONGEST)?;
    let name = text(description, 3 * size + provider.len() + 1, LONGEST)?;
    Some(Note {
        location: number(description, 0, size)?,
        base: number(description, size, size)?,
        semaphore: number(description, 2 * size, size)?,
        provider: provider.to_owned(),
        name: name.to_owned(),
    })
}

/// The probes of a file.
pub struct Probes<'e, 'b> {
    elf: &'e Elf<'b>,
    notes: Vec<Note>,
    base: Option<u64>,
}

impl<'e, 'b> Probes<'e, 'b> {
    /// Reads them; a file without notes has none.
    ///
    /// # Errors
    /// When the notes cannot be read.
    pub fn of(elf: &'e Elf<'b>) -> Result<Self, FileError> {
        let section = elf.section(".note.stapsdt").filter(|s| s.kind == SHT_NOTE);
        let bytes = section.map(|s| read(elf.bytes, s.offset, s.size, LARGEST)).transpose()?.unwrap_or_default();
        let base = elf.section(".stapsdt.base").filter(|s| s.kind == SHT_PROGBITS).map(|s| s.address);
        Ok(Probes { elf, notes: notes(&bytes, elf.wide), base })
    }

    /// All places of a probe in the file, each once.
    pub fn sites(&self, provider: &str, name: &str) -> Vec<Site> {
        let mut sites = Vec::new();
        for note in self.notes.iter().filter(|n| n.provider == provider && n.name == name) {
            sites.extend(self.site(note).filter(|site| !sites.contains(site)));
        }
        sites
    }

    /// Everything has moved as far as the base did (prelink moves it).
    fn site(&self, note: &Note) -> Option<Site> {
        let moved = |address: u64| match self.base {
            Some(base) => address.wrapping_add(base).wrapping_sub(note.base),
            None => address,
        };
        let offset = self.elf.offset_of(moved(note.location))?;
        let semaphore = if note.semaphore == 0 { 0 } else { self.elf.offset_of(moved(note.semaphore))? };
        Some(Site { offset, semaphore })
    }
}
