//! As much of an ELF file as probes need: its sections, and where what is at an address stands in the file. 64 and 32 bits, little-endian.

use super::bytes::{Bytes, FileError, number, read, text};

/// Bytes of the program headers, of the section headers, of the section names.
const LARGEST_TABLE: u64 = 4 << 20;
/// Bytes of a section's name.
const LONGEST_NAME: usize = 255;
const PT_LOAD: u64 = 1;
/// Index of the section of names, when it does not fit: it is in the first section.
const INDEX_ELSEWHERE: u64 = 0xffff;

/// A part of the file that is in memory when it runs.
#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name; empty when it is not text.
    pub name: String,
    /// SHT_*.
    pub kind: u32,
    /// Address in memory.
    pub address: u64,
    /// Place in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// Index of the section it belongs to.
    pub link: usize,
}

impl Section {
    /// Where it ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// An ELF file.
pub struct Elf<'a> {
    /// The file.
    pub(super) bytes: &'a dyn Bytes,
    /// Whether its addresses have 64 bits.
    pub(super) wide: bool,
    segments: Vec<Segment>,
    /// Its sections, in their order.
    pub(super) sections: Vec<Section>,
}

impl<'a> Elf<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// When it is no ELF file of this byte order, or is broken.
    pub fn parse(bytes: &'a dyn Bytes) -> Result<Self, FileError> {
        let mut ident = [0; 16];
        bytes.fill(0, &mut ident)?;
        let wide = match ident {
            [0x7f, b'E', b'L', b'F', class @ (1 | 2), 1, ..] => class == 2,
            _ => return Err(FileError::Malformed("not an ELF file that could run here")),
        };
        let mut header = vec![0; if wide { 64 } else { 52 }];
        bytes.fill(0, &mut header)?;
        let mut elf = Elf { bytes, wide, segments: Vec::new(), sections: Vec::new() };
        elf.read_tables(&header).ok_or(FileError::Malformed("broken headers"))??;
        Ok(elf)
    }

    fn read_tables(&mut self, header: &[u8]) -> Option<Result<(), FileError>> {
        let word = |narrow: usize, wide: usize| number(header, if self.wide { wide } else { narrow }, if self.wide { 8 } else { 4 });
        let half = |narrow: usize, wide: usize| number(header, if self.wide { wide } else { narrow }, 2);
        let segments = Table { at: word(28, 32)?, entry: half(42, 54)?, count: half(44, 56)? };
        let sections = Table { at: word(32, 40)?, entry: half(46, 58)?, count: half(48, 60)? };
        let names = half(50, 62)?;
        Some(self.read_segments(&segments).and_then(|()| self.read_sections(sections, names)))
    }

    fn read_segments(&mut self, table: &Table) -> Result<(), FileError> {
        let bytes = table.read(self.bytes)?;
        let headers = bytes.chunks_exact(table.chunk()?);
        let loaded = headers.filter(|h| number(h, 0, 4) == Some(PT_LOAD));
        let segment = |h: &[u8]| match self.wide {
            true => Some(Segment { offset: number(h, 8, 8)?, address: number(h, 16, 8)?, size: number(h, 32, 8)? }),
            false => Some(Segment { offset: number(h, 4, 4)?, address: number(h, 8, 4)?, size: number(h, 16, 4)? }),
        };
        self.segments = loaded.filter_map(segment).collect();
        Ok(())
    }

    /// Files may have no sections at all. More than 65279 of them are counted in the first one.
    fn read_sections(&mut self, mut table: Table, mut names: u64) -> Result<(), FileError> {
        if table.at == 0 {
            return Ok(());
        }
        if table.count == 0 || names == INDEX_ELSEWHERE {
            let first = Table { count: 1, ..table }.read(self.bytes)?;
            let (count, link) = if self.wide { (number(&first, 32, 8), 40) } else { (number(&first, 20, 4), 24) };
            table.count = if table.count == 0 { count.unwrap_or(0) } else { table.count };
            names = if names == INDEX_ELSEWHERE { number(&first, link, 4).unwrap_or(0) } else { names };
        }
        let bytes = table.read(self.bytes)?;
        let headers = bytes.chunks_exact(table.chunk()?);
        let found: Vec<(usize, Section)> = headers.filter_map(|h| self.section_of(h)).collect();
        let strings = usize::try_from(names).ok().and_then(|index| found.get(index));
        let strings = strings.and_then(|(_, s)| read(self.bytes, s.offset, s.size, LARGEST_TABLE).ok()).unwrap_or_default();
        let named = |(name, section)| Section { name: text(&strings, name, LONGEST_NAME).unwrap_or_default().to_owned(), ..section };
        self.sections = found.into_iter().map(named).collect();
        Ok(())
    }

    /// A section, and where its name is.
    fn section_of(&self, h: &[u8]) -> Option<(usize, Section)> {
        let kind = number(h, 4, 4)? as u32;
        let (address, offset, size, link) = match self.wide {
            true => (number(h, 16, 8)?, number(h, 24, 8)?, number(h, 32, 8)?, number(h, 40, 4)?),
            false => (number(h, 12, 4)?, number(h, 16, 4)?, number(h, 20, 4)?, number(h, 24, 4)?),
        };
        Some((number(h, 0, 4)? as usize, Section { name: String::new(), kind, address, offset, size, link: link as usize }))
    }

    /// The first section of this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// Where in the file stands what is at an address in memory.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let inside = |s: &&Segment| address.checked_sub(s.address).is_some_and(|into| into < s.size);
        let segment = self.segments.iter().find(inside)?;
        (address - segment.address).checked_add(segment.offset)
    }
}

/// A table of headers.
struct Table {
    at: u64,
    entry: u64,
    count: u64,
}

impl Table {
    fn read(&self, bytes: &dyn Bytes) -> Result<Vec<u8>, FileError> {
        read(bytes, self.at, self.entry.saturating_mul(self.count), LARGEST_TABLE)
    }

    /// Size of an entry, for `chunks_exact`.
    fn chunk(&self) -> Result<usize, FileError> {
        match usize::try_from(self.entry) {
            Ok(entry) if entry > 0 || self.count == 0 => Ok(entry.max(1)),
            _ => Err(FileError::Malformed("headers without a size")),
        }
    }
}
