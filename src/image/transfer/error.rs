//! Why images could not be exported or imported.

use crate::image::ImageError;

/// Nothing was exported or imported. Messages leave out their `source`.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Reading an image, or writing the store.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Writing the archive.
    #[error("cannot write the archive")]
    Write(#[source] std::io::Error),
    /// What was to be exported is no gadget.
    #[error("{reference} cannot be exported: it is {what}")]
    NoGadget {
        /// The image.
        reference: String,
        /// What it is.
        what: String,
    },
    /// An image whose repository nobody tells.
    #[error("image {digest} has no full name{}; give it a repository with --name", .tag.as_ref().map(|t| format!(", only the tag {t:?}")).unwrap_or_default())]
    Unnamed {
        /// Its digest.
        digest: String,
        /// The tag it has, if any.
        tag: Option<String>,
    },
    /// A name that two images have.
    #[error("there are two different images {name}")]
    Clash {
        /// The name.
        name: String,
    },
    /// Nothing in it is for us.
    #[error("there is no gadget image in it{}", .skipped.iter().map(|what| format!("; it has {what}")).collect::<String>())]
    Empty {
        /// What there is instead.
        skipped: Vec<String>,
    },
    /// More than anybody packs into one archive.
    #[error("it lists {count} images and signatures, more than the {limit} that are imported at once")]
    TooManyRoots {
        /// How many there are.
        count: usize,
        /// The most there may be.
        limit: usize,
    },
    /// More than any archive of gadgets has.
    #[error("it refers to more than {limit} blobs")]
    TooMany {
        /// The most there may be.
        limit: usize,
    },
}
