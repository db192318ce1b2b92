//! `bpf_core_type_matches()` (CO-RE kind 12), which aya does not know: answered here, against the kernel's types.

use crate::gadget::btf::{Btf, BtfError, Kind, Type, essential_name};

const MAX_DEPTH: usize = 32;
/// Comparisons that all questions of one object may take; real ones take a few thousand.
pub(super) const FUEL: u32 = 2_000_000;

/// Whether `theirs` of the kernel matches `ours` of the object.
pub(super) fn matches(local: &Btf<'_>, ours: u32, kernel: &Btf<'_>, theirs: u32, fuel: &mut u32) -> Result<bool, BtfError> {
    Matcher { local, kernel, fuel }.matches(ours, theirs, false, 0)
}

/// Whether they are of the same kind all the way down; names and sizes do not count.
pub(super) fn compatible(local: &Btf<'_>, ours: u32, kernel: &Btf<'_>, theirs: u32, fuel: &mut u32) -> Result<bool, BtfError> {
    Matcher { local, kernel, fuel }.compatible(ours, theirs, 0)
}

struct Matcher<'a> {
    local: &'a Btf<'a>,
    kernel: &'a Btf<'a>,
    fuel: &'a mut u32,
}

impl Matcher<'_> {
    fn matches(&mut self, local: u32, kernel: u32, behind_pointer: bool, depth: usize) -> Result<bool, BtfError> {
        if depth > MAX_DEPTH || !self.burn() {
            return Ok(false);
        }
        let (theirs, ours) = (self.kernel, self.local);
        let (a, b) = (ours.get(ours.peel(local)?)?, theirs.get(theirs.peel(kernel)?)?);
        if essential_name(ours.string(a.name)?) != essential_name(theirs.string(b.name)?) {
            return Ok(false);
        }
        let next = depth + 1;
        Ok(match a.kind {
            Kind::Void => b.kind == Kind::Void,
            Kind::Fwd => declared_kind(&a) == declared_kind(&b),
            Kind::Struct | Kind::Union if behind_pointer => declared_kind(&a) == declared_kind(&b),
            Kind::Struct | Kind::Union => a.kind == b.kind && self.members_match(&a, &b, next)?,
            Kind::Enum | Kind::Enum64 => b.kind.is_enum() && a.word == b.word && self.values_match(&a, &b)?,
            Kind::Int => b.kind == Kind::Int && a.word == b.word && a.int().map(|i| i.signed) == b.int().map(|i| i.signed),
            Kind::Float => b.kind == Kind::Float && a.word == b.word,
            Kind::Ptr => b.kind == Kind::Ptr && self.matches(a.word, b.word, true, next)?,
            Kind::Array => match (a.array(), b.array()) {
                (Some(x), Some(y)) => x.len == y.len && self.matches(x.element, y.element, false, next)?,
                _ => false,
            },
            Kind::FuncProto => b.kind == Kind::FuncProto && self.prototypes_match(&a, &b, next)?,
            _ => false,
        })
    }

    /// Each member here has one of its name there that matches.
    fn members_match(&mut self, a: &Type<'_>, b: &Type<'_>, depth: usize) -> Result<bool, BtfError> {
        for wanted in a.members() {
            let name = essential_name(self.local.string(wanted.name)?);
            let mut found = false;
            for member in b.members() {
                if !self.burn() {
                    return Ok(false);
                }
                let same = essential_name(self.kernel.string(member.name)?) == name;
                if same && self.matches(wanted.type_id, member.type_id, false, depth)? {
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Each name here is a name there; values may differ.
    fn values_match(&mut self, a: &Type<'_>, b: &Type<'_>) -> Result<bool, BtfError> {
        for wanted in a.values() {
            let name = essential_name(self.local.string(wanted.name)?);
            let mut found = false;
            for value in b.values() {
                found = found || self.burn() && essential_name(self.kernel.string(value.name)?) == name;
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn prototypes_match(&mut self, a: &Type<'_>, b: &Type<'_>, depth: usize) -> Result<bool, BtfError> {
        if a.len != b.len {
            return Ok(false);
        }
        for (x, y) in a.params().zip(b.params()) {
            if !self.matches(x.type_id, y.type_id, false, depth)? {
                return Ok(false);
            }
        }
        self.matches(a.word, b.word, false, depth)
    }

    fn compatible(&mut self, ours: u32, theirs: u32, depth: usize) -> Result<bool, BtfError> {
        if depth > MAX_DEPTH || !self.burn() {
            return Ok(false);
        }
        let (local, kernel) = (self.local, self.kernel);
        let (a, b) = (local.get(local.peel(ours)?)?, kernel.get(kernel.peel(theirs)?)?);
        let same = a.kind == b.kind || a.kind.is_enum() && b.kind.is_enum();
        let next = depth + 1;
        Ok(same
            && match (a.kind, a.array(), b.array()) {
                (Kind::Ptr, ..) => self.compatible(a.word, b.word, next)?,
                (Kind::Array, Some(x), Some(y)) => self.compatible(x.element, y.element, next)?,
                (Kind::FuncProto, ..) => self.compatible_prototypes(&a, &b, next)?,
                (kind, ..) => !kind.is_declaration(),
            })
    }

    fn compatible_prototypes(&mut self, a: &Type<'_>, b: &Type<'_>, depth: usize) -> Result<bool, BtfError> {
        if a.len != b.len {
            return Ok(false);
        }
        for (x, y) in a.params().zip(b.params()) {
            if !self.compatible(x.type_id, y.type_id, depth)? {
                return Ok(false);
            }
        }
        self.compatible(a.word, b.word, depth)
    }

    fn burn(&mut self) -> bool {
        *self.fuel = self.fuel.saturating_sub(1);
        *self.fuel > 0
    }
}

/// Struct or union, of a definition or of a forward declaration.
fn declared_kind(t: &Type<'_>) -> Option<Kind> {
    match t.kind {
        Kind::Fwd => Some(if t.flag { Kind::Union } else { Kind::Struct }),
        Kind::Struct | Kind::Union => Some(t.kind),
        _ => None,
    }
}
