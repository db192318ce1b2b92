//! What can be wrong with BTF.

use std::path::PathBuf;

use super::{Kind, MAX_BYTES};

/// Why BTF, or one type of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("read kernel type information (BTF) from {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The first two bytes are wrong.
    #[error("not little-endian BTF: wrong magic number")]
    Magic,
    /// It ends too early.
    #[error("BTF is cut short in its {what}")]
    Truncated {
        /// Which part.
        what: &'static str,
    },
    /// More bytes than are read.
    #[error("BTF of {bytes} bytes is larger than the limit of {MAX_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// More types than are read.
    #[error("BTF has more than {limit} types")]
    TooManyTypes {
        /// How many are read.
        limit: usize,
    },
    /// An image's archive of kernel types that cannot be used.
    #[error("use the kernel types (BTF) that come with the gadget: {problem}")]
    Archive {
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody has the running kernel's types.
    #[error("the kernel has no type information (BTF) at {}, the gadget brings none for it, and no file of it is on this machine", path.display())]
    NoKernel {
        /// Where the kernel has it.
        path: PathBuf,
    },
    /// A kind this reader does not know.
    #[error("BTF has a type of unknown kind {kind}")]
    UnknownKind {
        /// Its number.
        kind: u32,
    },
    /// The string section does not begin and end with NUL.
    #[error("BTF string section does not begin and end with NUL")]
    Strings,
    /// A string outside the string section, or no text.
    #[error("BTF has no valid string at offset {offset}")]
    BadString {
        /// Offset in the string section.
        offset: u32,
    },
    /// A reference to a type that is not there.
    #[error("BTF has no type {id}")]
    UnknownType {
        /// The id.
        id: u32,
    },
    /// A type of another kind than is needed.
    #[error("BTF type {id} is of kind {found:?}, not what is needed here")]
    WrongKind {
        /// The id.
        id: u32,
        /// What it is.
        found: Kind,
    },
    /// Types nest too deeply, most likely in a circle.
    #[error("BTF type {id} is nested too deeply or contains itself")]
    TooDeep {
        /// Where following began.
        id: u32,
    },
    /// A size that does not fit, or of something that has none.
    #[error("BTF type {id} has no usable size")]
    Size {
        /// The id.
        id: u32,
    },
}
