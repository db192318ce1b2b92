//! CO-RE questions about whole types and enumerators, answered here: aya-obj does not know type matches, takes an enum of 64 bits for
//! another type than one of 32, and would need the whole kernel BTF to know an id.

use super::edit::{u32_at, write_at};
use super::error::{PrepareError, malformed};
use super::matching;
use crate::gadget::btf::{Btf, Kind, essential_name};

/// CO-RE relocation kinds, with the numbers of `enum bpf_core_relo_kind`.
pub(super) const FIELD_RIGHT_SHIFT: u32 = 5;
const LOCAL_TYPE_ID: u32 = 6;
const TARGET_TYPE_ID: u32 = 7;
const TYPE_EXISTS: u32 = 8;
const TYPE_SIZE: u32 = 9;
const ENUMERATOR_EXISTS: u32 = 10;
const ENUMERATOR_VALUE: u32 = 11;
pub(super) const TYPE_MATCHES: u32 = 12;

const LD_IMM64: u8 = 0x18;
/// `mov32`/`mov64` of an immediate, and `ld_imm64`.
const WITH_IMMEDIATE: [u8; 3] = [0xb4, 0xb7, LD_IMM64];
/// A call of a helper that does not exist: the verifier takes it in dead code only, and names it elsewhere.
const POISON: [u8; 8] = [0x85, 0, 0, 0, 0x10, 0x23, 0xad, 0x0b];

/// What becomes of a relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// aya answers it.
    Left,
    /// This value goes into the instruction.
    Value(u64),
    /// There is no answer: the instruction must not be reached.
    Poison,
}

/// Who is asked.
pub(super) struct Oracle<'a> {
    /// Types of the names that the object mentions, the kernel's and its modules'.
    pub target: &'a Btf<'a>,
    /// The kernel's types under the ids it knows, if they are its own.
    pub native: Option<&'a Btf<'a>>,
    /// Comparisons that are left.
    pub fuel: u32,
}

impl Oracle<'_> {
    /// The answer to a question of `kind` about type `id` of the object; `access` is the number of the enumerator, if it is about one.
    pub(super) fn ask(&mut self, local: &Btf<'_>, kind: u32, id: u32, access: &str) -> Result<Answer, PrepareError> {
        let truth = |found: Option<u64>| Answer::Value(found.is_some().into());
        let value = |found: Option<u64>| found.map_or(Answer::Poison, Answer::Value);
        Ok(match kind {
            0..=FIELD_RIGHT_SHIFT | LOCAL_TYPE_ID => Answer::Left,
            TARGET_TYPE_ID => value(self.native_id(local, id)?),
            TYPE_EXISTS => truth(self.first(local, id, |_, _| Ok(Some(0)))?),
            TYPE_SIZE => value(self.first(local, id, |target, id| Ok(Some(target.size(id)?)))?),
            ENUMERATOR_EXISTS => truth(self.enumerator(local, id, access)?),
            ENUMERATOR_VALUE => value(self.enumerator(local, id, access)?),
            TYPE_MATCHES => Answer::Value(self.matches(local, id)?.into()),
            _ => return Err(malformed("a relocation is of an unknown kind")),
        })
    }

    /// What the compatible types of the same name give, if they agree.
    fn first(
        &mut self,
        local: &Btf<'_>,
        id: u32,
        of: impl Fn(&Btf<'_>, u32) -> Result<Option<u64>, PrepareError>,
    ) -> Result<Option<u64>, PrepareError> {
        let t = local.get(id)?;
        let name = essential_name(local.string(t.name)?);
        let kinds = if t.kind.is_enum() { [Kind::Enum, Kind::Enum64] } else { [t.kind, Kind::Void] };
        let mut found = None;
        for candidate in kinds.into_iter().filter(|k| *k != Kind::Void).flat_map(|kind| self.target.candidates(name, kind)) {
            if !matching::compatible(local, id, self.target, candidate, &mut self.fuel)? {
                continue;
            }
            match (found, of(self.target, candidate)?) {
                (Some(before), Some(now)) if before != now => return Err(PrepareError::Ambiguous { name: name.to_owned() }),
                (before, now) => found = now.or(before),
            }
        }
        Ok(found)
    }

    fn enumerator(&mut self, local: &Btf<'_>, id: u32, access: &str) -> Result<Option<u64>, PrepareError> {
        let broken = || malformed("a relocation asks for an enumerator that is not there");
        let index: usize = access.parse().map_err(|_| broken())?;
        let wanted = local.get(local.peel(id)?)?.values().nth(index).ok_or_else(broken)?;
        let name = essential_name(local.string(wanted.name)?);
        self.first(local, id, |target, candidate| {
            for value in target.get(target.peel(candidate)?)?.values() {
                if essential_name(target.string(value.name)?) == name {
                    return Ok(Some(value.value as u64));
                }
            }
            Ok(None)
        })
    }

    fn matches(&mut self, local: &Btf<'_>, id: u32) -> Result<bool, PrepareError> {
        let t = local.get(id)?;
        let name = essential_name(local.string(t.name)?);
        let kinds = if t.kind.is_enum() { [Kind::Enum, Kind::Enum64] } else { [t.kind, Kind::Void] };
        for candidate in kinds.into_iter().filter(|k| *k != Kind::Void).flat_map(|kind| self.target.candidates(name, kind)) {
            if matching::matches(local, id, self.target, candidate, &mut self.fuel)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn native_id(&mut self, local: &Btf<'_>, id: u32) -> Result<Option<u64>, PrepareError> {
        let Some(native) = self.native else { return Ok(None) };
        let t = local.get(id)?;
        let name = essential_name(local.string(t.name)?);
        for candidate in native.candidates(name, t.kind) {
            if matching::compatible(local, id, native, candidate, &mut self.fuel)? {
                return Ok(Some(candidate.into()));
            }
        }
        Ok(None)
    }
}

/// Puts an answer into the instruction at byte `at` of `code`.
pub(super) fn write(code: &mut [u8], at: usize, answer: Answer) -> Result<(), PrepareError> {
    let opcode = code.get(at).copied().filter(|opcode| at.is_multiple_of(8) && WITH_IMMEDIATE.contains(opcode));
    let opcode = opcode.ok_or(malformed("a relocation points at an instruction without an immediate"))?;
    let wide = opcode == LD_IMM64;
    match answer {
        Answer::Left => Ok(()),
        Answer::Value(value) => {
            // The second half of ld_imm64 must be there, whatever the value is.
            u32_at(code, at.saturating_add(if wide { 12 } else { 4 })).ok_or(malformed("an instruction is cut short"))?;
            write_at(code, at.saturating_add(4), &(value as u32).to_le_bytes())?;
            if wide { write_at(code, at.saturating_add(12), &((value >> 32) as u32).to_le_bytes()) } else { Ok(()) }
        }
        Answer::Poison => {
            write_at(code, at, &POISON)?;
            if wide { write_at(code, at.saturating_add(8), &POISON) } else { Ok(()) }
        }
    }
}
