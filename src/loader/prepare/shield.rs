//! aya-obj 0.3 indexes, unwraps and subtracts on what it reads: a malformed object makes it panic. Everything it relies on
//! is checked here, on the object it will get.

use std::collections::{HashMap, HashSet};

use super::edit::{Editor, SHF_EXECINSTR, Symbol, u32_at, u64_at};
use super::error::{PrepareError, malformed, too_much};
use crate::gadget::btf::{Btf, Kind};

const SHT_RELA: u32 = 4;
const SHT_REL: u32 = 9;
const R_BPF_64_64: u32 = 1;
const R_BPF_64_32: u32 = 10;
const STT_SECTION: u8 = 3;
const STT_FUNC: u8 = 2;
const LD_IMM64: u8 = 0x18;
const CALL: u8 = 0x85;
const INSTRUCTION: usize = 8;
/// From here on, section indices of symbols have special meanings.
const RESERVED: u16 = 0xff00;
/// aya links functions recursively, one level of stack per function.
const MAX_FUNCTIONS: usize = 1000;
/// Most bytes of all data sections, `.bss` included: each becomes a map, and is in memory until then.
const MAX_DATA: u64 = 16 << 20;
/// The kernel takes no longer ones either. Declarations of maps write a number as an array of so many `int`.
const MAX_ARRAY: u64 = 1 << 32;
/// Most relocations of code.
const MAX_RELOCATIONS: usize = 100_000;
/// Bytes that all programs may have together once each has its own copy of what it calls.
const MAX_LINKED: u64 = 32 << 20;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u64 = 2;

/// Checks an object that is about to be written.
pub(super) fn check(editor: &Editor<'_>, btf: &Btf<'_>) -> Result<(), PrepareError> {
    let symbols = editor.symbols();
    check_sections(editor)?;
    check_symbols(editor, &symbols)?;
    check_functions(editor, &symbols)?;
    check_code(editor, &symbols, &map_symbols(editor, btf, &symbols)?)?;
    check_types(btf)
}

fn check_sections(editor: &Editor<'_>) -> Result<(), PrepareError> {
    let relocated = editor.sections.iter().any(|s| s.address != 0);
    if relocated {
        return Err(malformed("a section has an address, so it was linked already"));
    }
    let data =
        editor.sections.iter().enumerate().filter(|(_, s)| s.kind == SHT_NOBITS || s.flags & (SHF_ALLOC | SHF_EXECINSTR) == SHF_ALLOC);
    let bytes = data.fold(0u64, |sum, (index, _)| sum.saturating_add(editor.size(index)));
    if bytes > MAX_DATA {
        return Err(too_much(format!("{bytes} bytes of variables"), MAX_DATA.to_string()));
    }
    let legacy = editor.sections.iter().any(|s| s.name.starts_with("maps"));
    if legacy { Err(malformed("it has maps of the old kind (section \"maps\")")) } else { Ok(()) }
}

fn is_code(editor: &Editor<'_>, section: usize) -> bool {
    editor.sections.get(section).is_some_and(|s| s.flags & SHF_EXECINSTR != 0)
}

/// Symbols are inside their sections, functions have one.
fn check_symbols(editor: &Editor<'_>, symbols: &[Symbol]) -> Result<(), PrepareError> {
    let mut functions = 0;
    for symbol in symbols {
        let is_function = symbol.info & 0xf == STT_FUNC;
        functions += usize::from(is_function);
        if symbol.section == 0 || symbol.section >= RESERVED {
            if is_function {
                return Err(malformed("a function is in no section"));
            }
            continue;
        }
        let end = symbol.value.checked_add(symbol.size);
        let room = if is_function { editor.data(symbol.section.into()).len() as u64 } else { editor.size(symbol.section.into()) };
        if end.is_none_or(|end| end > room) {
            return Err(malformed("a symbol reaches beyond its section"));
        }
        if is_function && (symbol.value | symbol.size) % INSTRUCTION as u64 != 0 {
            return Err(malformed("a function is not made of whole instructions"));
        }
    }
    if functions > MAX_FUNCTIONS { Err(malformed("it has more than 1000 functions")) } else { Ok(()) }
}

/// aya copies each function, and into each program all that it may call.
fn check_functions(editor: &Editor<'_>, symbols: &[Symbol]) -> Result<(), PrepareError> {
    let functions = || symbols.iter().filter(|s| s.info & 0xf == STT_FUNC && s.section != 0);
    let code: u64 = (0..editor.sections.len()).filter(|i| is_code(editor, *i)).map(|i| editor.data(i).len() as u64).sum();
    if functions().fold(0u64, |sum, s| sum.saturating_add(s.size)) > code {
        return Err(malformed("its functions overlap"));
    }
    let is_text = |s: &Symbol| editor.sections.get(usize::from(s.section)).is_some_and(|s| s.name.starts_with(".text"));
    let (text, programs): (Vec<&Symbol>, Vec<&Symbol>) = functions().partition(|s| is_text(s));
    let text: u64 = text.iter().map(|s| s.size).sum();
    if (programs.len() as u64).saturating_mul(text).saturating_add(code) > MAX_LINKED {
        return Err(too_much("programs that call too much code", format!("{} MiB in all", MAX_LINKED >> 20)));
    }
    Ok(())
}

/// Indices of the symbols that are maps; code may refer to nothing else in `.maps`.
fn map_symbols(editor: &Editor<'_>, btf: &Btf<'_>, symbols: &[Symbol]) -> Result<HashSet<usize>, PrepareError> {
    let Some(section) = btf.find(".maps", Kind::Datasec) else { return Ok(HashSet::new()) };
    let mut names = HashSet::new();
    for entry in btf.get(section)?.entries() {
        names.insert(btf.string(btf.get(entry.type_id)?.name)?);
    }
    Ok(symbols.iter().filter(|s| names.contains(editor.symbol_name(**s))).map(|s| s.index).collect())
}

/// Relocations of code point at instructions that can be relocated, and at symbols of the right kind.
fn check_code(editor: &Editor<'_>, symbols: &[Symbol], maps: &HashSet<usize>) -> Result<(), PrepareError> {
    let by_index: HashMap<usize, &Symbol> = symbols.iter().map(|s| (s.index, s)).collect();
    let ends: HashSet<(u16, u64)> = symbols.iter().filter(|s| s.info & 0xf == STT_FUNC).map(|s| (s.section, s.value + s.size)).collect();
    let mut count = 0;
    for (index, section) in editor.sections.iter().enumerate() {
        if is_code(editor, index) && calls_too_far(editor.data(index)) {
            return Err(malformed("a call is out of range"));
        }
        let target = section.info as usize;
        if !matches!(section.kind, SHT_REL | SHT_RELA) || !is_code(editor, target) {
            continue;
        }
        if section.kind == SHT_RELA {
            return Err(malformed("its relocations have addends of their own"));
        }
        let Ok(code) = u16::try_from(target) else { return Err(malformed("section table")) };
        count += editor.data(index).len() / 16;
        if count > MAX_RELOCATIONS {
            return Err(too_much(format!("{count} relocations of code"), MAX_RELOCATIONS.to_string()));
        }
        for entry in editor.data(index).chunks_exact(16) {
            let (offset, info) = (u64_at(entry, 0).unwrap_or_default(), u64_at(entry, 8).unwrap_or_default());
            let symbol = by_index.get(&((info >> 32) as usize)).ok_or(malformed("a relocation refers to no symbol"))?;
            if symbol.section == 0 {
                return Err(undefined(editor.symbol_name(**symbol)));
            }
            let in_maps = editor.sections.get(usize::from(symbol.section)).is_some_and(|s| s.name.starts_with(".maps"));
            if in_maps && !maps.contains(&symbol.index) {
                return Err(malformed("a relocation refers to something in .maps that is no map"));
            }
            let at_end = offset.checked_add(INSTRUCTION as u64).is_none_or(|end| ends.contains(&(code, end)));
            relocation(editor, editor.data(target), offset, info as u32, symbol, at_end)?;
        }
    }
    Ok(())
}

fn undefined(name: &str) -> PrepareError {
    if name.is_empty() { malformed("a relocation refers to no symbol") } else { PrepareError::Undefined { name: name.to_owned() } }
}

fn calls_too_far(code: &[u8]) -> bool {
    code.chunks_exact(INSTRUCTION).any(|i| i.first() == Some(&CALL) && u32_at(i, 4) == Some(i32::MAX as u32))
}

fn relocation(editor: &Editor<'_>, code: &[u8], offset: u64, kind: u32, symbol: &Symbol, at_end: bool) -> Result<(), PrepareError> {
    let broken = || malformed("a relocation of code");
    let at = usize::try_from(offset).map_err(|_| broken())?;
    let instruction = code.get(at..).and_then(|c| c.first_chunk::<INSTRUCTION>()).ok_or_else(broken)?;
    let immediate = u32_at(instruction, 4).unwrap_or_default() as i32;
    let limit = editor.size(symbol.section.into()) as i64;
    let fits = match kind {
        R_BPF_64_64 => instruction.first() == Some(&LD_IMM64) && !at_end && (0..=limit.max(0)).contains(&immediate.into()),
        R_BPF_64_32 => immediate >= -1 && i64::from(immediate) <= limit.max(0),
        _ => false,
    };
    // Only functions and whole sections can be called or pointed at in code.
    let to_code = symbol.section < RESERVED && is_code(editor, symbol.section.into());
    let right_symbol = !to_code || matches!(symbol.info & 0xf, STT_FUNC | STT_SECTION);
    if at % INSTRUCTION == 0 && fits && right_symbol { Ok(()) } else { Err(broken()) }
}

/// Names are inside the string section, sizes are sane, sections list types that are there.
fn check_types(btf: &Btf<'_>) -> Result<(), PrepareError> {
    for id in btf.ids() {
        let t = btf.get(id)?;
        btf.string(t.name)?;
        let names = t.members().map(|m| m.name).chain(t.values().map(|v| v.name)).chain(t.params().map(|p| p.name));
        for name in names {
            btf.string(name)?;
        }
        for entry in t.entries() {
            btf.get(entry.type_id)?;
            if u64::from(entry.offset.max(entry.size)) > MAX_DATA {
                return Err(malformed("a variable is outside of its section"));
            }
        }
        for member in t.members().filter(|m| m.bit_size > 0) {
            let kind = btf.get(btf.peel(member.type_id)?)?.kind;
            if kind != Kind::Int && !kind.is_enum() {
                return Err(malformed("a bit field is no number"));
            }
        }
        let sane = match t.kind {
            Kind::Int => matches!(t.word, 1 | 2 | 4 | 8 | 16),
            Kind::Enum | Kind::Enum64 => matches!(t.word, 1 | 2 | 4 | 8),
            Kind::Array => btf.size(id)? <= MAX_ARRAY,
            _ => true,
        };
        if !sane {
            return Err(malformed("a type has an impossible size"));
        }
    }
    Ok(())
}
