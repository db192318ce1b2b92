//! What `.BTF.ext` says about instructions: the source line each comes from, and what it asks about the kernel's types.

use std::cell::Cell;
use std::collections::HashMap;

use super::object::Place;
use crate::gadget::btf::{Btf, Kind};
use crate::gadget::elf::Elf;
use crate::loader::prepare::extension::{self, List};

/// Records of a list that are read; 150 programs with all their lines have a tenth of it.
const MAX_RECORDS: usize = 200_000;
/// Members that are stepped over in all.
const FUEL: usize = 2_000_000;
/// Longest way from a struct to a member of a member.
const MAX_PATH: usize = 16;

/// Where a line of the source is, as offsets of strings.
#[derive(Debug, Clone, Copy)]
struct Line {
    file: u32,
    text: u32,
    number: u32,
}

/// A question about the kernel's types.
#[derive(Debug, Clone, Copy)]
struct Question {
    type_id: u32,
    access: u32,
    kind: u32,
}

/// What is known about instructions.
#[derive(Default)]
pub(super) struct Debug<'o> {
    btf: Option<&'o Btf<'o>>,
    lines: HashMap<Place, Line>,
    questions: HashMap<Place, Question>,
    fuel: Cell<usize>,
}

impl<'o> Debug<'o> {
    /// Reads what there is. An object with broken records is listed without.
    pub(super) fn of(elf: &Elf<'_>, btf: Option<&'o Btf<'o>>) -> Self {
        let (Some(btf), Some(section)) = (btf, elf.section(".BTF.ext")) else { return Debug::default() };
        let mut debug = Debug { btf: Some(btf), fuel: Cell::new(FUEL), ..Debug::default() };
        for list in [List::Lines, List::Relocations] {
            let (record, blocks) = match extension::read(section.data, list) {
                Ok(blocks) => blocks,
                Err(error) => {
                    tracing::warn!(%error, "listings go without source lines: the object's records of them are malformed");
                    return Debug::default();
                }
            };
            let sections = blocks.iter().map(|block| (index(elf, btf, block.section), &block.records));
            let records = sections.filter_map(|(section, records)| Some((section?, records)));
            let records = records.flat_map(|(section, records)| records.chunks_exact(record.max(1)).map(move |record| (section, record)));
            for (section, record) in records.take(MAX_RECORDS) {
                debug.add(list, section, record);
            }
        }
        debug
    }

    fn add(&mut self, list: List, section: usize, record: &[u8]) {
        let [at, a, b, c] = words(record);
        let place = (section, u64::from(at));
        if list == List::Lines {
            // The lower ten bits are the column.
            self.lines.insert(place, Line { file: a, text: b, number: c >> 10 });
        } else {
            self.questions.insert(place, Question { type_id: a, access: b, kind: c });
        }
    }

    /// The line of the source that begins at a place: its text, which the compiler may not have had, and where it is.
    pub(super) fn line(&self, place: Place) -> Option<(&'o str, String)> {
        let (btf, line) = (self.btf?, self.lines.get(&place)?);
        let text = btf.string(line.text).unwrap_or_default().trim();
        let file = btf.string(line.file).unwrap_or_default();
        let file = file.rsplit('/').next().unwrap_or_default();
        // What the compiler has added comes from line 0.
        (line.number > 0).then(|| (text, format!("{file}:{}", line.number)))
    }

    /// What the instruction at a place asks about the kernel's types: `struct task_struct.pid`.
    pub(super) fn question(&self, place: Place) -> Option<String> {
        let (btf, question) = (self.btf?, self.questions.get(&place)?);
        let subject = self.subject(btf, question);
        Some(match what(question.kind) {
            "" => subject,
            what => format!("{subject} ({what})"),
        })
    }

    fn subject(&self, btf: &Btf<'_>, question: &Question) -> String {
        let name = type_name(btf, question.type_id);
        let access = btf.string(question.access).unwrap_or_default();
        match question.kind {
            // The type as such.
            6..=9 | 12 => name,
            10 | 11 => match access.parse().ok().and_then(|number| self.enumerator(btf, question.type_id, number)) {
                Some(enumerator) => format!("{name}.{enumerator}"),
                None => format!("{name}[{access}]"),
            },
            _ => self.member(btf, question.type_id, access).map_or_else(|| format!("{name}[{access}]"), |path| format!("{name}{path}")),
        }
    }

    fn enumerator<'b>(&self, btf: &'b Btf<'_>, id: u32, number: usize) -> Option<&'b str> {
        self.spend(number)?;
        let value = btf.get(id).ok()?.values().nth(number)?;
        btf.string(value.name).ok()
    }

    /// The way to a member: `.a.b[3]`; parts without a name are left out.
    fn member(&self, btf: &Btf<'_>, id: u32, access: &str) -> Option<String> {
        let mut parts = access.split(':').map(|part| part.parse::<usize>().ok());
        let first = parts.next()??;
        let mut path = if first == 0 { String::new() } else { format!("[{first}]") };
        let mut at = btf.peel(id).ok()?;
        for (depth, part) in parts.enumerate() {
            let (number, t) = (part?, btf.get(at).ok()?);
            if depth == MAX_PATH {
                return None;
            }
            let next = if let Some(array) = t.array() {
                path += &format!("[{number}]");
                array.element
            } else {
                self.spend(number)?;
                let member = t.members().nth(number)?;
                let name = btf.string(member.name).ok()?;
                if !name.is_empty() {
                    path = format!("{path}.{name}");
                }
                member.type_id
            };
            at = btf.peel(next).ok()?;
        }
        Some(path)
    }

    fn spend(&self, steps: usize) -> Option<()> {
        self.fuel.set(self.fuel.get().checked_sub(steps)?);
        Some(())
    }
}

fn index(elf: &Elf<'_>, btf: &Btf<'_>, name: u32) -> Option<usize> {
    let name = btf.string(name).ok()?;
    elf.sections.iter().position(|section| section.name == name)
}

fn words(record: &[u8]) -> [u32; 4] {
    let mut words = record.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

fn type_name(btf: &Btf<'_>, id: u32) -> String {
    let name = match btf.name(id) {
        "" => "(anonymous)",
        name => name,
    };
    match btf.get(id).map(|t| t.kind) {
        Ok(Kind::Struct) => format!("struct {name}"),
        Ok(Kind::Union) => format!("union {name}"),
        Ok(Kind::Enum | Kind::Enum64) => format!("enum {name}"),
        Ok(_) => name.to_owned(),
        Err(_) => format!("type {id}"),
    }
}

/// What is asked, unless it is where a member is. Source: `enum bpf_core_relo_kind` in `linux/bpf.h`.
fn what(kind: u32) -> &'static str {
    match kind {
        0 => "",
        1 => "size",
        2 | 8 | 10 => "exists",
        3 => "signed",
        4 => "left shift",
        5 => "right shift",
        6 => "local id",
        7 => "id",
        9 => "size of type",
        11 => "value",
        12 => "matches",
        _ => "unknown question",
    }
}
