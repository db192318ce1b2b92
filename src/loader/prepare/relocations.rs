//! Rewrites `.BTF.ext`: new section names, no records of dropped sections, type matches answered, flexible accesses redirected.

use std::collections::{BTreeSet, HashMap};

use super::edit::{Editor, u32_at, write_at};
use super::error::{PrepareError, malformed};
use super::extension::{self, Block, List};
use super::sections::Fate;
use super::{Changes, Target, flexible, matching};
use crate::gadget::btf::{Btf, essential_name};

/// CO-RE relocation kinds, with the numbers of `enum bpf_core_relo_kind`.
const FIELD_RIGHT_SHIFT: u32 = 5;
const TARGET_TYPE_ID: u32 = 7;
const TYPE_MATCHES: u32 = 12;
/// Largest index in an access string.
const MAX_INDEX: u32 = 1 << 20;
/// `mov32`/`mov64` of an immediate, and `ld_imm64`.
const WITH_IMMEDIATE: [u8; 3] = [0xb4, 0xb7, 0x18];

/// What the object's relocations ask of the kernel's types.
#[derive(Debug, Default)]
pub(super) struct Asked {
    names: BTreeSet<String>,
    /// Whether they ask for ids, which only the whole kernel BTF can answer.
    pub ids: bool,
}

impl Asked {
    /// Names of the types they mention, without flavours.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// Rewrites the section, if there is one.
pub(super) fn rewrite(
    editor: &mut Editor<'_>,
    btf: &mut Btf<'_>,
    fates: &HashMap<String, Fate>,
    target: &Target<'_>,
    changes: &mut Changes,
) -> Result<Asked, PrepareError> {
    let Some(section) = editor.find(".BTF.ext") else { return Ok(Asked::default()) };
    let data = editor.data(section).to_vec();
    let mut lists =
        [extension::read(&data, List::Functions)?, extension::read(&data, List::Lines)?, extension::read(&data, List::Relocations)?];
    let mut rewriter =
        Rewriter { editor, btf, fates, target, changes, names: HashMap::new(), copies: HashMap::new(), asked: Asked::default() };
    for (list, (record, blocks)) in List::ALL.into_iter().zip(&mut lists) {
        let mut kept = Vec::with_capacity(blocks.len());
        if list == List::Lines && !blocks.iter().all(|b| in_order(b, *record)) {
            return Err(malformed("its line records are not in order"));
        }
        for block in blocks.drain(..) {
            kept.extend(rewriter.block(block, *record, list)?);
        }
        *blocks = kept;
    }
    let asked = rewriter.asked;
    *editor.data_mut(section)? = extension::write(&lists);
    Ok(asked)
}

/// Whether the records are sorted by instruction, as aya and the kernel expect.
fn in_order(block: &Block, record: usize) -> bool {
    block.records.chunks_exact(record.max(1)).map(|r| u32_at(r, 0)).is_sorted()
}

struct Rewriter<'r, 'e, 'b> {
    editor: &'r mut Editor<'e>,
    btf: &'r mut Btf<'b>,
    fates: &'r HashMap<String, Fate>,
    target: &'r Target<'r>,
    changes: &'r mut Changes,
    /// Offsets of new section names.
    names: HashMap<String, u32>,
    /// Copies made for accesses into flexible arrays.
    copies: HashMap<(u32, u32), Option<u32>>,
    asked: Asked,
}

impl Rewriter<'_, '_, '_> {
    fn block(&mut self, mut block: Block, record: usize, list: List) -> Result<Option<Block>, PrepareError> {
        let mut section = self.btf.string(block.section)?.to_owned();
        match self.fates.get(&section) {
            Some(Fate::Dropped) => return Ok(None),
            Some(Fate::Renamed(new)) => {
                block.section = match self.names.get(new) {
                    Some(offset) => *offset,
                    None => self.btf.add_string(new)?,
                };
                self.names.insert(new.clone(), block.section);
                section.clone_from(new);
            }
            None => {}
        }
        if list == List::Relocations {
            let mut kept = Vec::with_capacity(block.records.len());
            for relocation in block.records.chunks_exact_mut(record) {
                if self.relocation(&section, relocation)? {
                    kept.extend_from_slice(relocation);
                }
            }
            block.records = kept;
        }
        Ok(Some(block))
    }

    /// Whether the record is to stay: instruction offset, type id, access string, kind.
    fn relocation(&mut self, section: &str, record: &mut [u8]) -> Result<bool, PrepareError> {
        let word = |at| u32_at(record, at).unwrap_or_default();
        let (instruction, type_id, access, kind) = (word(0), word(4), word(8), word(12));
        let mentioned = self.btf.get(type_id)?;
        let access_text = self.btf.string(access)?;
        if mentioned.kind.is_declaration() || access_text.split(':').any(|part| part.parse::<u32>().is_ok_and(|i| i > MAX_INDEX)) {
            return Err(malformed("a relocation asks for something that is no type or member"));
        }
        let name = self.btf.string(mentioned.name)?.to_owned();
        if kind == TYPE_MATCHES {
            let answer = matching::exists(self.btf, type_id, self.target.btf)?;
            self.answer(section, instruction, answer)?;
            self.changes.type_matches.push((name, answer));
            return Ok(false);
        }
        self.asked.ids |= kind == TARGET_TYPE_ID;
        if !name.is_empty() {
            self.asked.names.insert(essential_name(&name).to_owned());
        }
        if kind <= FIELD_RIGHT_SHIFT
            && let Some(copy) = self.copy(type_id, access, &name)?
        {
            write_at(record, 4, &copy.to_le_bytes())?;
        }
        Ok(true)
    }

    fn copy(&mut self, type_id: u32, access: u32, name: &str) -> Result<Option<u32>, PrepareError> {
        if let Some(copy) = self.copies.get(&(type_id, access)) {
            return Ok(*copy);
        }
        let path = self.btf.string(access)?.to_owned();
        let copy = flexible::copy_for(self.btf, type_id, &path)?;
        if copy.is_some() {
            self.changes.flexible.push((name.to_owned(), path));
        }
        self.copies.insert((type_id, access), copy);
        Ok(copy)
    }

    /// Writes the answer of a type match into the instruction.
    fn answer(&mut self, section: &str, instruction: u32, answer: bool) -> Result<(), PrepareError> {
        let index = self.editor.find(section).ok_or(malformed("a relocation names a section that is not there"))?;
        let code = self.editor.data_mut(index)?;
        let at = instruction as usize;
        if !code.get(at).is_some_and(|opcode| WITH_IMMEDIATE.contains(opcode)) {
            return Err(malformed("a relocation points at an instruction without an immediate"));
        }
        write_at(code, at.saturating_add(4), &u32::from(answer).to_le_bytes())
    }
}
