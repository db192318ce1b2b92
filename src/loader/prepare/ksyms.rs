//! `.ksyms` externs (functions and variables of the kernel and its modules): resolved here, because aya 0.14 cannot.

use std::collections::HashMap;

use super::edit::{Editor, write_at};
use super::error::{PrepareError, malformed, too_much};
use super::{Changes, Target};
use crate::gadget::btf::{Btf, DatasecEntry, Kind, encode_info, essential_name};

const SHT_RELA: u32 = 4;
const SHT_REL: u32 = 9;
/// Relocation of a two-word `ld_imm64`; everything else is a call.
const R_BPF_64_64: u32 = 1;
const PSEUDO_BTF_ID: u8 = 3;
const PSEUDO_KFUNC_CALL: u8 = 2;
/// Number of a helper that does not exist: the call must be dead code, as for any absent weak symbol.
const NO_SUCH_HELPER: u32 = 2_002_000_000;

/// Each costs a search through the kernel's types or symbols.
const MAX_EXTERNS: usize = 500;

/// What a symbol is in the running kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Typed: the id in the kernel's BTF.
    Id(u32),
    /// A function of a module: the id in its BTF, and the module's place in `fd_array`.
    InModule(u32, u16),
    /// Untyped: the address.
    Address(u64),
    /// Nothing, and it is weak.
    Absent,
}

/// A reference from code to a kernel symbol.
struct Reference {
    section: usize,
    offset: usize,
    wide: bool,
    found: Found,
}

/// Resolves all `.ksyms` externs, patches the instructions and makes the declarations acceptable to the kernel. The result are the modules
/// whose functions are called, in the order of `fd_array`, which they begin at 1.
pub(super) fn resolve(
    editor: &mut Editor<'_>,
    btf: &mut Btf<'_>,
    target: &Target<'_>,
    changes: &mut Changes,
) -> Result<Vec<String>, PrepareError> {
    let Some(section) = btf.find(".ksyms", Kind::Datasec) else { return Ok(Vec::new()) };
    let entries: Vec<_> = btf.get(section)?.entries().collect();
    let int = btf.ids().find(|id| btf.get(*id).is_ok_and(|t| t.kind == Kind::Int && t.word == 4));
    let int = int.ok_or(malformed("kernel symbols without an int type"))?;
    let weak = editor.weak_names();
    let mut modules = Vec::new();
    let mut found = HashMap::new();
    if entries.len() > MAX_EXTERNS {
        return Err(too_much(format!("{} kernel symbols", entries.len()), MAX_EXTERNS.to_string()));
    }
    for (index, entry) in entries.iter().enumerate() {
        let name = btf.string(btf.get(entry.type_id)?.name)?.to_owned();
        let what = look_up(btf, target, entry, &mut modules)?;
        let what = match what {
            Some(what) => what,
            None if weak.contains(&name) => Found::Absent,
            None => return Err(PrepareError::MissingSymbol { name }),
        };
        let shown = match what {
            Found::Id(id) | Found::InModule(id, _) => u64::from(id),
            Found::Address(address) => address,
            Found::Absent => 0,
        };
        changes.kernel_symbols.push((name.clone(), shown));
        found.insert(name, what);
        declare(btf, section, index, entry.type_id, int)?;
    }
    dissolve(btf, section, entries.len())?;
    for reference in take_references(editor, &found)? {
        patch(editor.data_mut(reference.section)?, &reference)?;
    }
    Ok(modules)
}

/// The section becomes an anonymous struct of as many nameless ints: same length, and nobody refers to it.
fn dissolve(btf: &mut Btf<'_>, section: u32, entries: usize) -> Result<(), PrepareError> {
    let len = u16::try_from(entries).map_err(|_| malformed("too many kernel symbols"))?;
    btf.set_word(section, 4, encode_info(Kind::Struct, false, len))?;
    btf.set_word(section, 0, 0)?;
    btf.set_word(section, 8, 4)?;
    Ok(())
}

fn look_up(btf: &Btf<'_>, target: &Target<'_>, entry: &DatasecEntry, modules: &mut Vec<String>) -> Result<Option<Found>, PrepareError> {
    let declared = btf.get(entry.type_id)?;
    let name = essential_name(btf.string(declared.name)?);
    if declared.kind == Kind::Var && btf.get(btf.peel(declared.word)?)?.kind == Kind::Void {
        return match target.facts.symbol(name) {
            Some(0) => Err(PrepareError::HiddenSymbol { name: name.to_owned() }),
            found => Ok(found.map(Found::Address)),
        };
    }
    if !target.btf.is_native() {
        return Ok(None);
    }
    let kind = if declared.kind == Kind::Func { Kind::Func } else { Kind::Var };
    if let Some(id) = target.btf.find(name, kind) {
        return Ok(Some(Found::Id(id)));
    }
    // A variable of a module would need the descriptor of its types in the instruction.
    let Some(found) = target.btf.find_in_modules(name, kind).filter(|_| kind == Kind::Func) else { return Ok(None) };
    let place = modules.iter().position(|m| *m == found.module).unwrap_or_else(|| {
        modules.push(found.module);
        modules.len() - 1
    });
    let place = u16::try_from(place + 1).map_err(|_| malformed("functions of too many modules"))?;
    Ok(Some(Found::InModule(found.id, place)))
}

/// An extern function becomes a typedef of an int, an extern variable a global int.
fn declare(btf: &mut Btf<'_>, section: u32, index: usize, id: u32, int: u32) -> Result<(), PrepareError> {
    if btf.get(id)?.kind == Kind::Func {
        btf.set_word(id, 4, encode_info(Kind::Typedef, false, 0))?;
    } else {
        btf.set_word(id, 12, 1)?;
    }
    btf.set_word(id, 8, int)?;
    let entry = 12 + index * 12;
    btf.set_word(section, entry, 0)?;
    btf.set_word(section, entry + 4, int)?;
    Ok(btf.set_word(section, entry + 8, 0)?)
}

/// Takes the relocations that refer to the symbols out of the object.
fn take_references(editor: &mut Editor<'_>, found: &HashMap<String, Found>) -> Result<Vec<Reference>, PrepareError> {
    let undefined = editor.symbols().into_iter().filter(|s| s.section == 0);
    let symbols: HashMap<u64, Found> = undefined.filter_map(|s| found.get(editor.symbol_name(s)).map(|f| (s.index as u64, *f))).collect();
    let mut references = Vec::new();
    for index in 0..editor.sections.len() {
        let Some(section) = editor.sections.get(index) else { break };
        let stride = match section.kind {
            SHT_REL => 16,
            SHT_RELA => 24,
            _ => continue,
        };
        let code = section.info as usize;
        let mut kept = Vec::new();
        for entry in editor.data(index).chunks_exact(stride) {
            let word = |at| super::edit::u64_at(entry, at).unwrap_or_default();
            let (offset, info) = (word(0), word(8));
            match symbols.get(&(info >> 32)) {
                Some(found) => references.push(Reference {
                    section: code,
                    offset: usize::try_from(offset).map_err(|_| malformed("a relocation"))?,
                    wide: info as u32 == R_BPF_64_64,
                    found: *found,
                }),
                None => kept.extend_from_slice(entry),
            }
        }
        if kept.len() != editor.data(index).len() {
            *editor.data_mut(index)? = kept;
        }
    }
    Ok(references)
}

fn patch(code: &mut [u8], reference: &Reference) -> Result<(), PrepareError> {
    let at = reference.offset;
    let registers = *code.get(at.saturating_add(1)).ok_or(malformed("a relocation is outside of its section"))?;
    if reference.wide {
        let (source, low, high) = match reference.found {
            Found::Id(id) => (PSEUDO_BTF_ID, id, 0),
            // Only asked whether it is there.
            Found::InModule(..) => (0, 1, 0),
            Found::Address(address) => (0, address as u32, (address >> 32) as u32),
            Found::Absent => (0, 0, 0),
        };
        write_at(code, at + 1, &[registers & 0x0f | source << 4])?;
        write_at(code, at + 4, &low.to_le_bytes())?;
        return write_at(code, at + 12, &high.to_le_bytes());
    }
    match reference.found {
        Found::Id(id) => {
            write_at(code, at + 1, &[PSEUDO_KFUNC_CALL << 4, 0, 0])?;
            write_at(code, at + 4, &id.to_le_bytes())
        }
        Found::InModule(id, place) => {
            let [low, high] = place.to_le_bytes();
            write_at(code, at + 1, &[PSEUDO_KFUNC_CALL << 4, low, high])?;
            write_at(code, at + 4, &id.to_le_bytes())
        }
        _ => {
            write_at(code, at + 1, &[0])?;
            write_at(code, at + 4, &NO_SUCH_HELPER.to_le_bytes())
        }
    }
}
