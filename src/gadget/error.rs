//! Why an image is no gadget.

use super::btf::BtfError;
use super::elf::ElfError;
use super::manifest::ManifestError;
use super::polled::PolledError;
use super::schema::FieldsError;

/// Why an image is no usable gadget.
#[derive(Debug, thiserror::Error)]
pub enum GadgetError {
    /// Its metadata is broken.
    #[error("read the metadata of gadget {image:?}")]
    Manifest {
        /// The image.
        image: String,
        /// Why.
        source: ManifestError,
    },
    /// Its object is broken.
    #[error("read the eBPF object of gadget {image:?}")]
    Elf {
        /// The image.
        image: String,
        /// Why.
        source: ElfError,
    },
    /// Its types are broken.
    #[error("read the types (BTF) of gadget {image:?}")]
    Btf {
        /// The image.
        image: String,
        /// Why.
        source: BtfError,
    },
    /// The object carries no types.
    #[error("the eBPF object of gadget {image:?} has no types (.BTF section)")]
    NoBtf {
        /// The image.
        image: String,
    },
    /// A declaration that names something missing or unsuitable.
    #[error("gadget {image:?} declares {marker}, but {problem}")]
    Declaration {
        /// The image.
        image: String,
        /// What is declared, e.g. "tracer \"exec\"".
        marker: String,
        /// What is wrong.
        problem: String,
    },
    /// A data source about the host that is not set up right.
    #[error("set up what gadget {image:?} reads from the host")]
    Polled {
        /// The image.
        image: String,
        /// Why.
        source: PolledError,
    },
    /// A data source without usable fields.
    #[error("make the fields of gadget {image:?}")]
    Fields {
        /// The image.
        image: String,
        /// Why.
        source: FieldsError,
    },
}
