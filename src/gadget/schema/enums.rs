//! Which enumerators an enum has: those of the running kernel where it knows an enum of that name, else the object's own.

use std::cell::OnceCell;
use std::sync::Once;

use super::decode::Enum;
use super::notes;
use crate::batch::{FieldId, FieldSpec};
use crate::gadget::btf::{Btf, BtfError, Kind};

/// The running kernel's types, read when the first enum asks for them: once per gadget.
#[derive(Default)]
pub(in crate::gadget) struct KernelTypes(OnceCell<Option<Btf<'static>>>);

impl KernelTypes {
    /// These instead of the running kernel's.
    #[cfg(test)]
    pub(super) fn of(btf: Option<Btf<'static>>) -> Self {
        KernelTypes(OnceCell::from(btf))
    }

    fn get(&self) -> Option<&Btf<'static>> {
        static WARNING: Once = Once::new();
        let read = || match Btf::kernel() {
            Ok(btf) => Some(btf),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                WARNING.call_once(|| {
                    tracing::warn!(error, "the kernel's types cannot be read, enums have the names that gadgets were built with")
                });
                None
            }
        };
        self.0.get_or_init(read).as_ref()
    }

    /// The names of the object's enum `id`.
    pub(super) fn names(&self, object: &Btf<'_>, id: u32, separator: &str) -> Result<Enum, BtfError> {
        let name = object.string(object.get(id)?.name)?;
        if let Some(kernel) = (!name.is_empty()).then(|| self.get()).flatten() {
            let found = kernel.find(name, Kind::Enum).or_else(|| kernel.find(name, Kind::Enum64));
            // A kernel's enumerator whose name is no text is no reason to show none.
            if let Some(Ok(names)) = found.map(|id| Enum::new(kernel, id, separator)) {
                return Ok(names);
            }
        }
        Enum::new(object, id, separator)
    }
}

/// An enum field that waits for the end of the struct, so that its text comes behind all raw fields.
pub(super) struct Pending {
    /// The field with the number.
    pub source: FieldId,
    /// Its enum in the object's types.
    pub id: u32,
    /// Full name of the field with the text.
    pub target: String,
    pub separator: String,
}

impl Pending {
    /// What is to become of an enum field; `None` for one that stays a number.
    pub(super) fn of(spec: &FieldSpec, source: FieldId, id: u32) -> Option<Self> {
        let Some(target) = notes::enum_target(spec) else {
            tracing::warn!(
                field = spec.name,
                "enum field has neither the annotation ebpf.formatter.enum nor a name that ends in _raw, it stays a number"
            );
            return None;
        };
        let separator = spec.annotations.get("ebpf.formatter.bitfield.separator").filter(|s| !s.is_empty());
        Some(Pending { source, id, target, separator: separator.map_or("|", String::as_str).to_owned() })
    }
}
