//! What is needed of a gadget's ELF object before it is loaded: sections, symbols, initial values.

pub(super) mod large;

use object::Endianness;
use object::SectionIndex;
use object::elf::{FileHeader64, STB_GLOBAL, STB_WEAK, STT_FUNC};
use object::read::elf::{FileHeader, SectionHeader, Sym};

pub use large::{Window, find_section};

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
