//! What is needed of a gadget's ELF object before it is loaded: sections, symbols, initial values.

use std::io::{Read, Seek, SeekFrom};

use object::Endianness;
use object::SectionIndex;
use object::elf::{FileHeader64, STB_GLOBAL, STB_WEAK, STT_FUNC};
use object::read::elf::{FileHeader, SectionHeader, Sym};

/// Longest object that is read, in bytes. Upstream's have 50 to 900 KiB.
pub const MAX_BYTES: usize = 8 << 20;
/// Most sections; an object of 150 programs has 300.
pub const MAX_SECTIONS: usize = 4096;
const MAX_SYMBOLS: usize = 32_768;
/// Longest name of a section or symbol: the kernel takes 511 bytes, and every reader looks for its end again and again.
const MAX_NAME: usize = 1024;
/// Bytes of all names together.
const MAX_NAMES: usize = 4 << 20;
/// `e_machine` of BPF.
const EM_BPF: u16 = 247;
const SHF_EXECINSTR: u64 = 4;

/// Why an object cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// Longer than the limit.
    #[error("object of {bytes} bytes is larger than the limit of {MAX_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// More sections or symbols than are read.
    #[error("object has {count} {what}, more than the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are read.
        limit: usize,
    },
    /// No ELF, or a broken one.
    #[error("read {what} of the object as 64-bit little-endian ELF")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// Why.
        source: object::read::Error,
    },
    /// It contradicts itself or a limit.
    #[error("the object's {what}")]
    Invalid {
        /// What is wrong, as the end of the sentence.
        what: &'static str,
    },
    /// An ELF of another machine.
    #[error("object is for machine {machine}, not for BPF (247)")]
    NotBpf {
        /// Its `e_machine`.
        machine: u16,
    },
}

/// A section.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// Name; empty when it is no text.
    pub name: &'a str,
    /// Content; empty for `.bss`.
    pub data: &'a [u8],
    /// Whether it holds instructions.
    pub executable: bool,
}

/// A named symbol.
#[derive(Debug, Clone, Copy)]
pub struct Symbol<'a> {
    /// Name.
    pub name: &'a str,
    /// Its section in [`Elf::sections`]; `None` for an undefined or absolute one.
    pub section: Option<usize>,
    /// Offset in the section.
    pub value: u64,
    /// Bytes.
    pub size: u64,
    /// Whether it is a function.
    pub function: bool,
    /// Whether it is visible outside of the object.
    pub global: bool,
    /// Whether it may stay undefined.
    pub weak: bool,
}

/// An object file; everything borrows from its bytes.
#[derive(Debug)]
pub struct Elf<'a> {
    /// All sections, the null section first, so that indices are ELF's.
    pub sections: Vec<Section<'a>>,
    /// All symbols that have a name.
    pub symbols: Vec<Symbol<'a>>,
}

impl<'a> Elf<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// When it is too large, malformed, or not for BPF.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        if bytes.len() > MAX_BYTES {
            return Err(ElfError::TooLarge { bytes: bytes.len() });
        }
        let malformed = |what| move |source| ElfError::Malformed { what, source };
        let header = FileHeader64::<Endianness>::parse(bytes).map_err(malformed("header"))?;
        let endian = header.endian().map_err(malformed("header"))?;
        if endian == Endianness::Big {
            return Err(ElfError::Invalid { what: "bytes are in big-endian order, which no machine here runs" });
        }
        if header.e_machine(endian).0 != EM_BPF {
            return Err(ElfError::NotBpf { machine: header.e_machine(endian).0 });
        }
        let table = header.sections(endian, bytes).map_err(malformed("section table"))?;
        limit("sections", table.len(), MAX_SECTIONS)?;
        let names = header.shstrndx(endian, bytes).ok().and_then(|i| table.section(SectionIndex(i as usize)).ok());
        let names = names.and_then(|s| s.data(endian, bytes).ok()).unwrap_or_default();
        let mut budget = Budget { content: bytes.len(), names: MAX_NAMES };
        let section = |header: &object::elf::SectionHeader64<Endianness>| {
            let data = header.data(endian, bytes).map_err(malformed("section data"))?;
            budget.content(data.len())?;
            let name = budget.name(names, header.sh_name(endian))?;
            let executable = header.sh_flags(endian).0 & SHF_EXECINSTR != 0;
            Ok(Section { name, data, executable })
        };
        let sections = table.iter().map(section).collect::<Result<Vec<_>, ElfError>>()?;
        let symbols = table.symbols(endian, bytes, object::elf::SHT_SYMTAB).map_err(malformed("symbol table"))?;
        limit("symbols", symbols.len(), MAX_SYMBOLS)?;
        let names = sections.get(symbols.string_section().0).map_or(&[][..], |s| s.data);
        let symbols = symbols.enumerate().filter_map(|(index, symbol)| {
            let name = match budget.name(names, symbol.st_name(endian)) {
                Ok(name) => name,
                Err(error) => return Some(Err(error)),
            };
            let section = symbols.symbol_section(endian, symbol, index).ok().flatten().map(|s| s.0);
            let weak = symbol.st_bind() == STB_WEAK;
            let global = weak || symbol.st_bind() == STB_GLOBAL;
            let function = symbol.st_type() == STT_FUNC;
            let (value, size) = (symbol.st_value(endian), symbol.st_size(endian));
            (!name.is_empty()).then_some(Ok(Symbol { name, section, value, size, function, global, weak }))
        });
        let symbols = symbols.collect::<Result<_, ElfError>>()?;
        Ok(Elf { sections, symbols })
    }

    /// A section by name.
    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The programs: global functions in executable sections other than `.text`, each with its section's name.
    pub fn programs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.symbols.iter().filter(|s| s.function && s.global).filter_map(|s| {
            let section = self.sections.get(s.section?)?;
            (section.executable && section.name != ".text").then_some((s.name, section.name))
        })
    }

    /// The initial bytes of a constant, if it stands in a `.rodata` section.
    pub fn constant(&self, name: &str) -> Option<&'a [u8]> {
        let symbol = self.symbols.iter().find(|s| s.name == name)?;
        let section = self.sections.get(symbol.section?).filter(|s| s.name.starts_with(".rodata"))?;
        let end = symbol.value.checked_add(symbol.size)?;
        section.data.get(usize::try_from(symbol.value).ok()?..usize::try_from(end).ok()?)
    }
}

/// What may still be read. Overlapping sections and shared names cost an attacker nothing, but every reader of the object pays for each.
struct Budget {
    content: usize,
    names: usize,
}

impl Budget {
    fn content(&mut self, bytes: usize) -> Result<(), ElfError> {
        self.content = self.content.checked_sub(bytes).ok_or(ElfError::Invalid { what: "sections overlap" })?;
        Ok(())
    }

    /// A name; empty when it is no text.
    fn name<'a>(&mut self, strings: &'a [u8], offset: u32) -> Result<&'a str, ElfError> {
        let Some(rest) = strings.get(offset as usize..).filter(|rest| !rest.is_empty()) else { return Ok("") };
        let window = rest.get(..MAX_NAME).unwrap_or(rest);
        let end = window.iter().position(|b| *b == 0).ok_or(ElfError::Invalid { what: "names are too long or have no end" })?;
        self.names = self.names.checked_sub(end).ok_or(ElfError::Invalid { what: "names are too long in all" })?;
        Ok(window.get(..end).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default())
    }
}

fn limit(what: &'static str, count: usize, limit: usize) -> Result<(), ElfError> {
    if count > limit { Err(ElfError::TooMany { what, count, limit }) } else { Ok(()) }
}

/// Where a section of a 64-bit little-endian ELF file of any size is: offset and length. `None` when it is no such file or has no such section.
///
/// # Errors
/// When it cannot be read.
pub fn find_section(file: &mut (impl Read + Seek), wanted: &str) -> std::io::Result<Option<(u64, u64)>> {
    let mut header = [0u8; 64];
    if let Err(error) = file.read_exact(&mut header) {
        return if error.kind() == std::io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    if header.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let (start, count, names) = (number(&header, 0x28, 8), number(&header, 0x3c, 2), number(&header, 0x3e, 2));
    let table = part(file, start, count.saturating_mul(64))?;
    let place = |header: &[u8]| (number(header, 24, 8), number(header, 32, 8));
    let Some((at, len)) = table.chunks_exact(64).nth(names as usize).map(place) else { return Ok(None) };
    let strings = part(file, at, len)?;
    let is_it = |header: &&[u8]| {
        let rest = strings.get(number(header, 0, 4) as usize..).and_then(|s| s.strip_prefix(wanted.as_bytes()));
        rest.and_then(<[u8]>::first) == Some(&0)
    };
    Ok(table.chunks_exact(64).find(is_it).map(place))
}

/// Bytes of a file, no more than tables of sections have.
fn part(file: &mut (impl Read + Seek), start: u64, len: u64) -> std::io::Result<Vec<u8>> {
    const MOST: u64 = 8 << 20;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(len.min(MOST)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Little-endian number of `len` bytes; 0 when they are not there.
fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|b| b.get(..len)).unwrap_or_default();
    bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// A file from some byte on.
#[derive(Debug)]
pub struct Window<F> {
    file: F,
    start: u64,
}

impl<F> Window<F> {
    /// From `start` on.
    pub fn new(file: F, start: u64) -> Self {
        Window { file, start }
    }
}

impl<F: Read> Read for Window<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(buffer)
    }
}

impl<F: Seek> Seek for Window<F> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(self.start.saturating_add(at)),
            other => other,
        };
        self.file.seek(to).map(|at| at.saturating_sub(self.start))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An ELF file of no particular machine with one section besides the names.
    pub(crate) fn with_section(name: &str, content: &[u8]) -> Vec<u8> {
        let mut file = vec![0u8; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let strings = format!("\0names\0{name}\0");
        let places = [(0, 0, 0), (1, 64, strings.len()), (7, 64 + strings.len(), content.len())];
        file.extend_from_slice(strings.as_bytes());
        file.extend_from_slice(content);
        let table = file.len() as u64;
        for (name, at, len) in places {
            let mut header = [0u8; 64];
            header[..4].copy_from_slice(&u32::to_le_bytes(name));
            header[24..32].copy_from_slice(&(at as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(len as u64).to_le_bytes());
            file.extend_from_slice(&header);
        }
        file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
        file[0x3c..0x40].copy_from_slice(&[3, 0, 1, 0]);
        file
    }

    /// A section is found in a file of any machine; other files have none, cut ones do no harm.
    #[test]
    fn finds_sections_of_large_files() {
        let file = with_section(".BTF", b"content");
        let (at, len) = find_section(&mut std::io::Cursor::new(&file), ".BTF").unwrap().unwrap();
        assert_eq!(&file[at as usize..][..len as usize], b"content");
        assert_eq!(find_section(&mut std::io::Cursor::new(&file), ".BT").unwrap(), None);
        for len in 0..file.len() {
            let _ = find_section(&mut std::io::Cursor::new(&file[..len]), ".BTF");
        }
    }
}
