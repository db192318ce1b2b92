//! Why an image cannot be told about.

use crate::gadget::btf::BtfError;
use crate::gadget::elf::ElfError;

/// Why an image cannot be told about.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Its object cannot be read.
    #[error("read the BPF object")]
    Object(#[from] ElfError),
    /// A part of its object cannot be read.
    #[error("the BPF object's {what} is malformed")]
    Malformed {
        /// The part.
        what: &'static str,
    },
    /// The object's types cannot be read.
    #[error("read the BPF object's types")]
    Types(#[from] BtfError),
    /// More text than is made.
    #[error("the listings of the programs would be longer than {} MiB", limit >> 20)]
    TooLong {
        /// What is made, in bytes.
        limit: usize,
    },
    /// Its WASM module cannot be read.
    #[error("read the WASM module")]
    Wasm(#[from] wasmparser::BinaryReaderError),
    /// Its manifest is no JSON.
    #[error("read the image's manifest")]
    Manifest(#[source] serde_json::Error),
}
