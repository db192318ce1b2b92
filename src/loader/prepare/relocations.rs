//! Rewrites `.BTF.ext`: new section names, questions about types answered, flexible accesses redirected.

use std::collections::{BTreeSet, HashMap};

use super::answers::{self, Answer, FIELD_RIGHT_SHIFT, Oracle, TYPE_MATCHES};
use super::edit::{Editor, u32_at, write_at};
use super::error::{PrepareError, malformed, too_much};
use super::extension::{self, Block, Blocks, List};
use super::{Changes, Target, flexible, matching};
use crate::gadget::btf::{Btf, essential_name};

/// Largest index in an access string.
const MAX_INDEX: u32 = 1 << 20;
/// Longest access string.
const MAX_ACCESS: usize = 256;
/// Most records of a list: 150 programs with all their lines have a tenth of it.
const MAX_RECORDS: usize = 200_000;
const MAX_RELOCATIONS: usize = 50_000;
/// Most different types of the kernel that are asked about.
const MAX_NAMES: usize = 4096;
/// aya looks each local type up among all types it is given.
const MAX_LOOKUPS: usize = 50_000_000;

/// Rewrites the section, if there is one, and gives the types that aya is to relocate against: those that the object mentions.
pub(super) fn rewrite(
    editor: &mut Editor<'_>,
    btf: &mut Btf<'_>,
    renamed: &HashMap<String, String>,
    target: &Target<'_>,
    changes: &mut Changes,
) -> Result<Btf<'static>, PrepareError> {
    let Some(section) = editor.find(".BTF.ext") else { return Ok(Btf::empty()) };
    let data = editor.data(section).to_vec();
    let mut lists =
        [extension::read(&data, List::Functions)?, extension::read(&data, List::Lines)?, extension::read(&data, List::Relocations)?];
    drop(data);
    check(&lists)?;
    let mentioned = mentioned(btf, &lists[2])?;
    let names: BTreeSet<&str> = mentioned.names.iter().map(String::as_str).collect();
    let mut types = target.btf.subset_with_modules(&names)?;
    if let Some((extra, ids)) = target.extra.filter(|(extra, ids)| ids.iter().any(|id| names.contains(extra.name(*id)))) {
        types = types.merge(extra, ids)?;
    }
    if types.len().saturating_mul(mentioned.ids) > MAX_LOOKUPS {
        return Err(too_much("relocations of too many types", format!("{MAX_LOOKUPS} comparisons")));
    }
    let native = target.btf.is_native().then_some(&**target.btf);
    let oracle = Oracle { target: &types, native, fuel: matching::FUEL };
    let mut rewriter = Rewriter { editor, btf, renamed, oracle, changes, names: HashMap::new(), copies: HashMap::new() };
    for (list, (record, blocks)) in List::ALL.into_iter().zip(&mut lists) {
        for block in blocks.iter_mut() {
            rewriter.block(block, *record, list)?;
        }
    }
    *editor.data_mut(section)? = extension::write(&lists);
    Ok(types)
}

fn check(lists: &[Blocks; 3]) -> Result<(), PrepareError> {
    let limits = [("functions", MAX_RECORDS), ("lines", MAX_RECORDS), ("relocations", MAX_RELOCATIONS)];
    for ((record, blocks), (what, limit)) in lists.iter().zip(limits) {
        let count: usize = blocks.iter().map(|b| b.records.len() / record.max(&1)).sum();
        if count > limit {
            return Err(too_much(format!("records of {count} {what}"), limit.to_string()));
        }
    }
    let [_, (record, lines), _] = lists;
    // As aya and the kernel expect.
    let in_order = |b: &Block| b.records.chunks_exact((*record).max(1)).map(|r| u32_at(r, 0)).is_sorted();
    if lines.iter().all(in_order) { Ok(()) } else { Err(malformed("its line records are not in order")) }
}

/// What the object's relocations mention of the kernel.
struct Mentioned {
    /// Types, without flavours.
    names: BTreeSet<String>,
    /// Number of different types of the object's own.
    ids: usize,
}

fn mentioned(btf: &Btf<'_>, (record, blocks): &Blocks) -> Result<Mentioned, PrepareError> {
    let mut ids = BTreeSet::new();
    let mut names = BTreeSet::new();
    for relocation in blocks.iter().flat_map(|b| b.records.chunks_exact((*record).max(1))) {
        let type_id = u32_at(relocation, 4).unwrap_or_default();
        if !ids.insert(type_id) {
            continue;
        }
        let name = btf.string(btf.get(type_id)?.name)?;
        if !name.is_empty() && names.len() <= MAX_NAMES {
            names.insert(essential_name(name).to_owned());
        }
    }
    if names.len() > MAX_NAMES {
        return Err(too_much("relocations of too many types of the kernel", MAX_NAMES.to_string()));
    }
    Ok(Mentioned { names, ids: ids.len() })
}

struct Rewriter<'r, 'e, 'b> {
    editor: &'r mut Editor<'e>,
    btf: &'r mut Btf<'b>,
    renamed: &'r HashMap<String, String>,
    oracle: Oracle<'r>,
    changes: &'r mut Changes,
    /// Offsets of new section names.
    names: HashMap<String, u32>,
    /// Copies made for accesses into flexible arrays.
    copies: HashMap<(u32, u32), Option<u32>>,
}

impl Rewriter<'_, '_, '_> {
    fn block(&mut self, block: &mut Block, record: usize, list: List) -> Result<(), PrepareError> {
        let mut section = self.btf.string(block.section)?.to_owned();
        if let Some(new) = self.renamed.get(&section) {
            block.section = match self.names.get(new) {
                Some(offset) => *offset,
                None => self.btf.add_string(new)?,
            };
            self.names.insert(new.clone(), block.section);
            section.clone_from(new);
        }
        if list == List::Relocations {
            let code = self.editor.find(&section).ok_or(malformed("a relocation names a section that is not there"))?;
            let mut kept = Vec::with_capacity(block.records.len());
            for relocation in block.records.chunks_exact_mut(record.max(1)) {
                if self.relocation(code, relocation)? {
                    kept.extend_from_slice(relocation);
                }
            }
            block.records = kept;
        }
        Ok(())
    }

    /// Whether the record is to stay: instruction offset, type id, access string, kind.
    fn relocation(&mut self, code: usize, record: &mut [u8]) -> Result<bool, PrepareError> {
        let word = |at| u32_at(record, at).unwrap_or_default();
        let (instruction, type_id, access, kind) = (word(0), word(4), word(8), word(12));
        let mentioned = self.btf.get(type_id)?;
        let access_text = self.btf.string(access)?;
        let sane = access_text.len() <= MAX_ACCESS && !access_text.split(':').any(|part| part.parse::<u32>().is_ok_and(|i| i > MAX_INDEX));
        if mentioned.kind.is_declaration() || !sane {
            return Err(malformed("a relocation asks for something that is no type or member"));
        }
        let name = self.btf.string(mentioned.name)?;
        let answer = self.oracle.ask(self.btf, kind, type_id, access_text)?;
        if answer != Answer::Left {
            if let (TYPE_MATCHES, Answer::Value(value)) = (kind, answer) {
                self.changes.type_matches.push((name.to_owned(), value != 0));
            }
            answers::write(self.editor.data_mut(code)?, instruction as usize, answer)?;
            return Ok(false);
        }
        if kind <= FIELD_RIGHT_SHIFT {
            // aya would compare with every nameless type of the kernel.
            if name.is_empty() || name.starts_with("___") {
                return Err(malformed("a relocation of a member is about a type without a name"));
            }
            let name = name.to_owned();
            if let Some(copy) = self.copy(type_id, access, &name)? {
                write_at(record, 4, &copy.to_le_bytes())?;
            }
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
            if self.changes.flexible.len() > flexible::MAX_COPIES {
                return Err(too_much("accesses into flexible arrays", flexible::MAX_COPIES.to_string()));
            }
        }
        self.copies.insert((type_id, access), copy);
        Ok(copy)
    }
}
