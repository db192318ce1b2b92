//! A BPF object taken apart: functions, what instructions refer to, and the symbols behind that.

use std::collections::{BTreeMap, HashMap};

use object::Endianness;
use object::elf::{FileHeader64, SHT_REL, SHT_SYMTAB, STB_GLOBAL, STB_WEAK, STT_FUNC, STT_SECTION, STV_HIDDEN, STV_INTERNAL};
use object::read::elf::{FileHeader, Rel, SectionHeader, Sym};

use super::disassembler::{Instruction, SLOT};
use super::error::InspectError;
use crate::gadget::btf::Btf;
use crate::gadget::elf::Elf;

/// Where an instruction is: section, byte.
pub(super) type Place = (usize, u64);

/// A symbol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol<'a> {
    pub name: &'a str,
    /// `None` for an undefined one.
    pub section: Option<usize>,
    pub value: u64,
    pub size: u64,
    pub function: bool,
    /// Whether it can be seen from outside of its file.
    pub global: bool,
    /// Whether it stands for its whole section.
    pub whole: bool,
    /// Whether it is to stay inside of the object.
    pub hidden: bool,
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Function<'a> {
    pub name: &'a str,
    pub section: usize,
    /// First byte in the section.
    pub start: u64,
    pub code: &'a [u8],
}

/// An object.
pub(super) struct Object<'a> {
    pub elf: Elf<'a>,
    pub btf: Option<Btf<'a>>,
    /// By number, as relocations name them.
    pub symbols: Vec<Symbol<'a>>,
    /// Number of the symbol, by the place of the instruction that refers to it.
    relocations: HashMap<Place, usize>,
    /// By place.
    functions: HashMap<Place, Function<'a>>,
    /// Numbers of the symbols of data, by place.
    data: BTreeMap<Place, usize>,
}

impl<'a> Object<'a> {
    /// Reads an object.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, InspectError> {
        // Bounds everything that is read below.
        let elf = Elf::parse(bytes)?;
        let btf = elf.section(".BTF").map(|section| Btf::parse(section.data)).transpose()?;
        let header = FileHeader64::<Endianness>::parse(bytes).map_err(|_| malformed("header"))?;
        let endian = Endianness::Little;
        let table = header.sections(endian, bytes).map_err(|_| malformed("section table"))?;
        let symbols = symbols(&table, bytes)?;
        let mut relocations = HashMap::new();
        for section in table.iter().filter(|section| section.sh_type(endian) == SHT_REL) {
            let Some((entries, _)) = section.rel(endian, bytes).map_err(|_| malformed("relocations"))? else { continue };
            let target = section.sh_info(endian) as usize;
            if elf.sections.get(target).is_some_and(|section| section.executable) {
                relocations.extend(entries.iter().map(|entry| ((target, entry.r_offset(endian)), entry.r_sym(endian) as usize)));
            }
        }
        let functions = symbols.iter().filter_map(|symbol| function(&elf, symbol)).map(|f| ((f.section, f.start), f)).collect();
        let is_data = |symbol: &Symbol<'_>| !symbol.function && !symbol.name.is_empty() && symbol.size > 0;
        let data = symbols.iter().enumerate().filter(|(_, symbol)| is_data(symbol));
        let data = data.filter_map(|(number, symbol)| Some(((symbol.section?, symbol.value), number))).collect();
        Ok(Object { elf, btf, symbols, relocations, functions, data })
    }

    /// The programs, in the order of the symbol table, each with its section's name.
    pub(super) fn programs(&self) -> Vec<(Function<'a>, &'a str)> {
        let program = |symbol: &Symbol<'a>| Some((function(&self.elf, symbol)?, self.section_of(symbol)));
        let programs = self.symbols.iter().filter(|symbol| symbol.global).filter_map(program);
        programs.filter(|(_, section)| *section != ".text").collect()
    }

    /// Name of a symbol's section.
    pub(super) fn section_of(&self, symbol: &Symbol<'_>) -> &'a str {
        symbol.section.and_then(|section| self.elf.sections.get(section)).map_or("", |section| section.name)
    }

    /// Number of the symbol that the instruction at a place refers to.
    pub(super) fn symbol_at(&self, place: Place) -> Option<usize> {
        self.relocations.get(&place).copied().filter(|number| *number < self.symbols.len())
    }

    /// The symbol itself.
    pub(super) fn referred(&self, place: Place) -> Option<&Symbol<'a>> {
        self.symbols.get(self.symbol_at(place)?)
    }

    /// The variable that holds a byte of a section.
    pub(super) fn variable(&self, (section, at): Place) -> Option<&Symbol<'a>> {
        let (_, number) = self.data.range((section, 0)..=(section, at)).next_back()?;
        self.symbols.get(*number).filter(|symbol| at - symbol.value < symbol.size)
    }

    /// All variables with their sections' names, in the order of places.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&Symbol<'a>, &'a str)> {
        let symbols = self.data.values().filter_map(|number| self.symbols.get(*number));
        symbols.map(|symbol| (symbol, self.section_of(symbol)))
    }

    /// Whether a symbol is a map.
    pub(super) fn is_map(&self, symbol: &Symbol<'_>) -> bool {
        !symbol.name.is_empty() && matches!(self.section_of(symbol), ".maps" | "maps")
    }

    /// The function that the instruction at a place calls or loads the address of.
    pub(super) fn called(&self, place: Place, instruction: &Instruction) -> Option<Function<'a>> {
        let symbol = self.referred(place);
        let (section, base) = match symbol {
            Some(symbol) => (symbol.section?, symbol.value),
            None => (place.0, place.1.checked_add(SLOT as u64)?),
        };
        let bytes = match (instruction.function(), symbol) {
            // An object that is not linked says -1 beside the name of the function.
            (Some(slots), Some(_)) => slots.checked_add(1)?.checked_mul(SLOT as i64)?,
            (Some(slots), None) => slots.checked_mul(SLOT as i64)?,
            (None, Some(symbol)) if instruction.high.is_some() => {
                if symbol.whole {
                    i64::from(instruction.imm)
                } else {
                    0
                }
            }
            (None, None) if instruction.high.is_some() && instruction.src == 4 => i64::from(instruction.imm).checked_mul(SLOT as i64)?,
            _ => return None,
        };
        self.functions.get(&(section, base.checked_add_signed(bytes)?)).copied()
    }
}

impl Function<'_> {
    /// The place of one of its instructions.
    pub(super) fn place(&self, slot: usize) -> Place {
        (self.section, self.start.saturating_add((slot * SLOT) as u64))
    }
}

type Table<'a> = object::read::elf::SectionTable<'a, FileHeader64<Endianness>>;

fn symbols<'a>(table: &Table<'a>, bytes: &'a [u8]) -> Result<Vec<Symbol<'a>>, InspectError> {
    let endian = Endianness::Little;
    let symbols = table.symbols(endian, bytes, SHT_SYMTAB).map_err(|_| malformed("symbol table"))?;
    let read = |(index, symbol): (_, &'a object::elf::Sym64<Endianness>)| {
        let name = symbols.symbol_name(endian, symbol).ok().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        let section = symbols.symbol_section(endian, symbol, index).ok().flatten().map(|section| section.0);
        let kind = symbol.st_type();
        let hidden = matches!(symbol.st_visibility(), STV_HIDDEN | STV_INTERNAL);
        let (value, size) = (symbol.st_value(endian), symbol.st_size(endian));
        let global = matches!(symbol.st_bind(), STB_GLOBAL | STB_WEAK);
        Symbol { name, section, value, size, function: kind == STT_FUNC, global, whole: kind == STT_SECTION, hidden }
    };
    // Relocations count from the null symbol on, which is left out by some readers.
    let first = Symbol { name: "", section: None, value: 0, size: 0, function: false, global: false, whole: false, hidden: false };
    let mut all: Vec<_> = symbols.enumerate().map(|(index, symbol)| (index.0, read((index, symbol)))).collect();
    if all.first().is_some_and(|(number, _)| *number == 1) {
        all.insert(0, (0, first));
    }
    Ok(all.into_iter().map(|(_, symbol)| symbol).collect())
}

fn function<'a>(elf: &Elf<'a>, symbol: &Symbol<'a>) -> Option<Function<'a>> {
    let section = symbol.section.filter(|_| symbol.function && !symbol.name.is_empty())?;
    let content = elf.sections.get(section).filter(|section| section.executable)?.data;
    let end = symbol.value.checked_add(symbol.size)?;
    let code = content.get(usize::try_from(symbol.value).ok()?..usize::try_from(end).ok()?)?;
    Some(Function { name: symbol.name, section, start: symbol.value, code })
}

fn malformed(what: &'static str) -> InspectError {
    InspectError::Malformed { what }
}
