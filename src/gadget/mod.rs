//! A gadget's bytes and what they mean: metadata, parameters, types, data sources. [`open`] is the way in.

pub mod authoring;
pub mod btf;
mod configure;
mod declared;
pub mod elf;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
pub mod manifest;
mod maps;
mod markers;
mod open;
pub mod params;
pub mod polled;
mod schema;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use configure::ConfigureError;
pub use error::GadgetError;
pub use manifest::{Annotation, Manifest};
pub use maps::kinds as map_kinds;
pub use open::{open, open_annotated};
pub use params::{ParamError, ParamKind, ParamSpec};
pub use schema::FieldsError;

use crate::batch::{GadgetIdentity, SchemaBuilder};

/// A gadget that has been read, not loaded.
#[derive(Default)]
pub struct Gadget {
    /// Where records will say they come from.
    pub identity: GadgetIdentity,
    /// The metadata.
    pub manifest: Manifest,
    /// The ELF object as it is in the image; a gadget may have none.
    pub object: Option<Vec<u8>>,
    /// Types of kernels that have none of their own: a gzip-compressed tar.
    pub btfgen: Option<Vec<u8>>,
    /// What users can set.
    pub params: Vec<ParamSpec>,
    /// Where records come from.
    pub sources: Vec<SourceSpec>,
    /// What it asks for that nobody here can give it, in words.
    pub missing: Vec<&'static str>,
    /// The programs, in the order of the symbol table.
    pub programs: Vec<ProgramSpec>,
    /// Ring buffers that may be made perf buffers where the kernel has no ring buffers.
    pub switchable: Vec<String>,
    /// The map that a program iterates over, or whose sockets' packets it sees, by program.
    pub targets: BTreeMap<String, String>,
    /// Packet filters: the parameter's key (`pf`, `pf-<name>`) and the function that it is compiled into.
    pub packet_filters: Vec<(String, String)>,
    /// Variables whose values the host gives: what the host calls them, and the variable.
    pub host_variables: BTreeMap<String, String>,
}

/// A data source.
pub struct SourceSpec {
    /// Its name.
    pub name: String,
    /// How its records leave the kernel.
    pub origin: Origin,
    /// Its raw fields, with annotations; operators add theirs.
    pub schema: SchemaBuilder,
}

/// How records leave the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One by one, through a ring buffer or perf event array.
    Tracer {
        /// The buffer.
        map: String,
        /// Map that counts what did not fit (`<map>_lost_samples`), if the object has it.
        lost_map: Option<String>,
    },
    /// As the entries of a hash map, which is emptied by reading. A row is the key, padded to 8 bytes, then the value.
    MapIter {
        /// The map.
        map: String,
        /// Bytes of a key.
        key_size: u32,
        /// Bytes of a value.
        value_size: u32,
        /// Time between reads; zero: once at the start if `count` is 1, else only at the end.
        interval: Duration,
        /// Number of reads, 0 for no end.
        count: u64,
        /// Whether to read once more when stopping.
        flush_on_stop: bool,
    },
    /// As the output of iterator programs.
    Iter {
        /// The programs; one run reads them all.
        programs: Vec<String>,
        /// Bytes of a record.
        record_size: u32,
        /// Time between runs; zero: once at the start if `count` is 1.
        interval: Duration,
        /// Number of runs, 0 for no end.
        count: u64,
        /// Whether to run once more when stopping.
        fetch_on_stop: bool,
    },
    /// As what the host says when asked.
    Polled {
        /// What is looked at.
        what: polled::Polled,
        /// Bytes of a row.
        row_size: u32,
        /// Time between two looks.
        interval: Duration,
        /// An early first look after this time, which `count` does not count; zero for none.
        first: Duration,
        /// Number of looks, 0 for no end.
        count: u64,
    },
}

/// A program of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramSpec {
    /// Name of its C function.
    pub name: String,
    /// Its ELF section, as it is in the image.
    pub section: String,
    /// What it is attached to: the metadata's `attach_to`, or what stands behind the first `/` of the section.
    pub target: String,
    /// Loaded, but not attached.
    pub disabled: bool,
}
