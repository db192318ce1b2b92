//! Edits to a relocatable ELF object. Whatever changes is appended, so that everything else stays where and as it was.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::error::{PrepareError, malformed};
use crate::gadget::elf::MAX_SECTIONS;

const SECTION: usize = 64;
const SYMBOL: usize = 24;
const SHT_NULL: u32 = 0;
pub(super) const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_NOBITS: u32 = 8;
pub(super) const SHF_ALLOC: u64 = 2;
pub(super) const SHF_EXECINSTR: u64 = 4;

/// A section header that can be changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    pub name: String,
    pub kind: u32,
    pub flags: u64,
    pub link: u32,
    pub info: u32,
    name_offset: u32,
    pub address: u64,
    align: u64,
    entry_size: u64,
    /// Where the content was, if that was valid.
    at: Range<usize>,
    size: u64,
    /// Content that replaces it.
    new: Option<Vec<u8>>,
    renamed: bool,
}

/// A symbol table entry, by position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    pub index: usize,
    pub name: u32,
    pub info: u8,
    /// Visibility.
    pub other: u8,
    pub section: u16,
    pub value: u64,
    pub size: u64,
}

impl Symbol {
    /// Whether it may stay undefined (`STB_WEAK`).
    pub(super) fn is_weak(self) -> bool {
        self.info >> 4 == 2
    }

    /// Whether no other object can see it (`STV_INTERNAL`, `STV_HIDDEN`).
    pub(super) fn is_hidden(self) -> bool {
        matches!(self.other & 3, 1 | 2)
    }
}

/// An object being edited.
pub(super) struct Editor<'a> {
    bytes: &'a [u8],
    pub sections: Vec<Section>,
    names: usize,
    symbols: Option<usize>,
    /// Suffixes given out by name.
    suffixes: HashMap<String, u32>,
    taken: HashSet<String>,
}

/// Little-endian u32 at `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b))
}

/// Little-endian u64 at `at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|b| u64::from_le_bytes(*b))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|b| u16::from_le_bytes(*b))
}

/// Overwrites bytes; an error when they are not all inside.
pub(super) fn write_at(bytes: &mut [u8], at: usize, new: &[u8]) -> Result<(), PrepareError> {
    let end = at.checked_add(new.len()).ok_or(malformed("an offset is too large"))?;
    bytes.get_mut(at..end).ok_or(malformed("an offset is outside of its section"))?.copy_from_slice(new);
    Ok(())
}

impl<'a> Editor<'a> {
    /// Reads the headers of an object that [`crate::gadget::elf::Elf`] has accepted.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, PrepareError> {
        let broken = malformed("section table");
        let header = (u64_at(bytes, 0x28), u16_at(bytes, 0x3a), u16_at(bytes, 0x3c), u16_at(bytes, 0x3e));
        let (Some(start), Some(entry), Some(count), Some(names)) = header else { return Err(broken) };
        let (Ok(start), count, names) = (usize::try_from(start), usize::from(count), usize::from(names)) else { return Err(broken) };
        if usize::from(entry) != SECTION || count > MAX_SECTIONS || names >= count {
            return Err(broken);
        }
        let table = start.checked_add(count * SECTION).and_then(|end| bytes.get(start..end)).ok_or(broken)?;
        let sections: Option<Vec<_>> = table.chunks_exact(SECTION).map(|h| section(h, bytes.len())).collect();
        let mut editor = Editor {
            bytes,
            sections: sections.ok_or(malformed("section table"))?,
            names,
            symbols: None,
            suffixes: HashMap::new(),
            taken: HashSet::new(),
        };
        let strings = editor.data(names).to_vec();
        for section in &mut editor.sections {
            section.name = text(&strings, section.name_offset).ok_or(malformed("a section's name"))?.to_owned();
        }
        editor.taken = editor.sections.iter().map(|s| s.name.clone()).collect();
        editor.symbols = editor.sections.iter().position(|s| s.kind == SHT_SYMTAB);
        Ok(editor)
    }

    /// Index of a section by name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.sections.iter().position(|s| s.name == name && s.kind != SHT_NULL)
    }

    /// Content of a section, edits included.
    pub(super) fn data(&self, index: usize) -> &[u8] {
        let Some(section) = self.sections.get(index) else { return &[] };
        section.new.as_deref().or_else(|| self.bytes.get(section.at.clone())).unwrap_or_default()
    }

    /// Bytes a section takes in memory; 0 for one that is not there.
    pub(super) fn size(&self, index: usize) -> u64 {
        self.sections.get(index).map_or(0, |s| s.new.as_ref().map_or(s.size, |data| data.len() as u64))
    }

    /// Content of a section, to change it.
    pub(super) fn data_mut(&mut self, index: usize) -> Result<&mut Vec<u8>, PrepareError> {
        let section = self.sections.get_mut(index).filter(|s| s.kind != SHT_NOBITS).ok_or(malformed("a section without content"))?;
        let old = self.bytes.get(section.at.clone()).unwrap_or_default();
        Ok(section.new.get_or_insert_with(|| old.to_vec()))
    }

    /// Gives a section another name, made unique with a suffix.
    pub(super) fn rename(&mut self, index: usize, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            let n = self.suffixes.entry(wanted.to_owned()).or_default();
            *n += 1;
            name = format!("{wanted}/{n}");
        }
        if let Some(section) = self.sections.get_mut(index) {
            section.name.clone_from(&name);
            section.renamed = true;
        }
        name
    }

    /// Takes a section out of the object; its slot stays.
    pub(super) fn blank(&mut self, name: &str) {
        if let Some(section) = self.find(name).and_then(|i| self.sections.get_mut(i)) {
            section.kind = SHT_NULL;
            section.new = Some(Vec::new());
        }
    }

    /// Adds a section of initialised data.
    pub(super) fn add(&mut self, name: &str, data: Vec<u8>) -> Result<u16, PrepareError> {
        let index =
            u16::try_from(self.sections.len()).ok().filter(|i| usize::from(*i) < MAX_SECTIONS).ok_or(malformed("too many sections"))?;
        let (kind, flags, align, name) = (SHT_PROGBITS, SHF_ALLOC, 8, name.to_owned());
        self.sections.push(Section { name, kind, flags, align, new: Some(data), renamed: true, ..Default::default() });
        Ok(index)
    }

    /// All symbols.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        let table = self.symbols.map(|i| self.data(i)).unwrap_or_default();
        let read = |(index, s): (usize, &[u8])| {
            Some(Symbol {
                index,
                name: u32_at(s, 0)?,
                info: *s.get(4)?,
                other: *s.get(5)?,
                section: u16_at(s, 6)?,
                value: u64_at(s, 8)?,
                size: u64_at(s, 16)?,
            })
        };
        table.chunks_exact(SYMBOL).enumerate().filter_map(read).collect()
    }

    /// Name of a symbol; empty when it is no text.
    pub(super) fn symbol_name(&self, symbol: Symbol) -> &str {
        let link = self.symbols.and_then(|i| self.sections.get(i)).map_or(0, |s| s.link as usize);
        text(self.data(link), symbol.name).unwrap_or_default()
    }

    /// Names of symbols that may stay undefined.
    pub(super) fn weak_names(&self) -> HashSet<String> {
        self.symbols().into_iter().filter(|s| s.is_weak()).map(|s| self.symbol_name(s).to_owned()).collect()
    }

    /// Makes an undefined symbol a global object.
    pub(super) fn define(&mut self, symbol: Symbol, section: u16, value: u64, size: u64) -> Result<(), PrepareError> {
        let table = self.symbols.ok_or(malformed("symbol table"))?;
        let at = symbol.index * SYMBOL;
        let data = self.data_mut(table)?;
        write_at(data, at + 4, &[1 << 4 | 1])?;
        write_at(data, at + 6, &section.to_le_bytes())?;
        write_at(data, at + 8, &value.to_le_bytes())?;
        write_at(data, at + 16, &size.to_le_bytes())
    }

    /// The object with all edits.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, PrepareError> {
        self.write_names()?;
        let mut out = self.bytes.to_vec();
        let mut table = Vec::with_capacity(self.sections.len() * SECTION);
        for section in &self.sections {
            let (at, size) = match &section.new {
                None => (section.at.start as u64, section.size),
                Some(data) => {
                    out.resize(out.len().next_multiple_of(8), 0);
                    let at = out.len() as u64;
                    out.extend_from_slice(data);
                    (at, data.len() as u64)
                }
            };
            write_section(&mut table, section, at, size);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let start = out.len() as u64;
        out.extend_from_slice(&table);
        write_at(&mut out, 0x28, &start.to_le_bytes())?;
        write_at(&mut out, 0x3c, &(self.sections.len() as u16).to_le_bytes())?;
        Ok(out)
    }

    /// Appends new names to the table of names. It may be the symbols' table too, so nothing in it may move.
    fn write_names(&mut self) -> Result<(), PrepareError> {
        let renamed: Vec<_> = self.sections.iter().enumerate().filter(|(_, s)| s.renamed).map(|(i, s)| (i, s.name.clone())).collect();
        for (index, name) in renamed {
            let strings = self.data_mut(self.names)?;
            let offset = strings.len() as u32;
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
            if let Some(section) = self.sections.get_mut(index) {
                section.name_offset = offset;
            }
        }
        Ok(())
    }
}

fn section(header: &[u8], file: usize) -> Option<Section> {
    let (offset, size, kind) = (u64_at(header, 24)?, u64_at(header, 32)?, u32_at(header, 4)?);
    let at = if matches!(kind, SHT_NULL | SHT_NOBITS) {
        0..0
    } else {
        let start = usize::try_from(offset).ok()?;
        start..start.checked_add(usize::try_from(size).ok()?).filter(|end| *end <= file)?
    };
    Some(Section {
        kind,
        flags: u64_at(header, 8)?,
        link: u32_at(header, 40)?,
        info: u32_at(header, 44)?,
        name_offset: u32_at(header, 0)?,
        address: u64_at(header, 16)?,
        align: u64_at(header, 48)?,
        entry_size: u64_at(header, 56)?,
        at,
        size,
        ..Default::default()
    })
}

fn write_section(out: &mut Vec<u8>, section: &Section, at: u64, size: u64) {
    out.extend_from_slice(&section.name_offset.to_le_bytes());
    out.extend_from_slice(&section.kind.to_le_bytes());
    for value in [section.flags, section.address, at, size] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(&section.link.to_le_bytes());
    out.extend_from_slice(&section.info.to_le_bytes());
    out.extend_from_slice(&section.align.to_le_bytes());
    out.extend_from_slice(&section.entry_size.to_le_bytes());
}

fn text(strings: &[u8], offset: u32) -> Option<&str> {
    let rest = strings.get(offset as usize..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    rest.get(..end).and_then(|s| std::str::from_utf8(s).ok())
}
