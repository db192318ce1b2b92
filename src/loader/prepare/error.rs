//! Why an object cannot be prepared.

use crate::gadget::btf::BtfError;
use crate::gadget::elf::ElfError;

/// Why an object cannot be made acceptable.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It cannot be read.
    #[error("read the eBPF object")]
    Elf(#[from] ElfError),
    /// It has no types.
    #[error("the eBPF object has no types (.BTF section)")]
    NoBtf,
    /// Its types, or the kernel's, are broken.
    #[error("read the types of the eBPF object or the kernel")]
    Btf(#[from] BtfError),
    /// A part of it is broken.
    #[error("the eBPF object is malformed: {what}")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
    /// A kernel symbol or function that is not optional.
    #[error("the running kernel has no symbol {name:?}, which the eBPF object needs")]
    MissingSymbol {
        /// Its name.
        name: String,
    },
    /// A configuration option that is not optional.
    #[error("the kernel configuration does not say what {name} is, which the eBPF object needs")]
    MissingConfig {
        /// Its name.
        name: String,
    },
}

/// Shorthand for a malformed part.
pub(super) fn malformed(what: &'static str) -> PrepareError {
    PrepareError::Malformed { what }
}
