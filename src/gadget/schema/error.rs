//! What can be wrong with a record's types.

use crate::batch::SchemaError;
use crate::gadget::btf::BtfError;

/// Why no fields could be made of a struct.
#[derive(Debug, thiserror::Error)]
pub enum FieldsError {
    /// Its types are broken.
    #[error("read the types of data source {source_name:?}")]
    Btf {
        /// The data source.
        source_name: String,
        /// Why.
        source: BtfError,
    },
    /// Two fields of one name.
    #[error("add a field of the record")]
    Duplicate(#[from] SchemaError),
    /// Too many fields, nested too deeply, a name too long, a member outside of its struct.
    #[error("the record of data source {source_name:?} is out of bounds: {what}")]
    Limit {
        /// The data source.
        source_name: String,
        /// Which bound.
        what: String,
    },
    /// The annotation that says how much follows the record is unusable.
    #[error("annotation ebpf.rest.len of data source {source_name:?} names field {field:?}, which {problem}")]
    Rest {
        /// The data source.
        source_name: String,
        /// What it names.
        field: String,
        /// Why not.
        problem: &'static str,
    },
}
