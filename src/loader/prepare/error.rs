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
    /// A kernel symbol whose address is hidden.
    #[error("the kernel hides the address of {name:?} (kernel.kptr_restrict), which the eBPF object needs")]
    HiddenSymbol {
        /// Its name.
        name: String,
    },
    /// Something that no part of the object defines.
    #[error("the eBPF object uses {name:?}, which neither it nor the kernel defines{}", hint(name))]
    Undefined {
        /// Its name.
        name: String,
    },
    /// A configuration value that does not fit its variable.
    #[error("{name} is {value} in the kernel configuration, and the eBPF object's variable of that name is {kind}")]
    ConfigType {
        /// The option.
        name: String,
        /// Its value.
        value: String,
        /// What the variable is.
        kind: &'static str,
    },
    /// The kernel has several types of that name, and they disagree.
    #[error("the kernel has several types {name:?} that give different answers to what the eBPF object asks")]
    Ambiguous {
        /// The type.
        name: String,
    },
    /// More than an object may ask for.
    #[error("the eBPF object has {what}, more than the limit of {limit}")]
    TooMuch {
        /// How much of what.
        what: String,
        /// The limit, with its unit.
        limit: String,
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

/// Where functions that nobody wrote come from.
fn hint(name: &str) -> &'static str {
    match name {
        "memcpy" | "memset" | "memmove" | "memcmp" | "bcmp" | "strlen" => {
            " (the compiler made it of a loop or comparison; newer ones do not)"
        }
        _ => "",
    }
}

/// Shorthand for a limit.
pub(super) fn too_much(what: impl Into<String>, limit: impl Into<String>) -> PrepareError {
    PrepareError::TooMuch { what: what.into(), limit: limit.into() }
}
