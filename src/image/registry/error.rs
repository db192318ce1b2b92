//! What can go wrong between a registry and a store.

/// A registry could not be asked, refused, or gave something else than it should. Messages leave out their `source`.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// To be replaced.
    #[error("{what}: not there yet")]
    Unfinished {
        /// What.
        what: String,
    },
    /// The store could not be read or written, or refused what came.
    #[error("cannot keep {reference} in the store")]
    Store {
        /// The image.
        reference: String,
        /// Why.
        #[source]
        source: Box<crate::image::ImageError>,
    },
    /// A certificate or key that is of no use.
    #[error("the certificates in {} cannot be used: {reason}", path.display())]
    Certificate {
        /// The file or folder.
        path: std::path::PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A file or folder of certificates that cannot be read.
    #[error("cannot read the certificates in {}", path.display())]
    CertificateIo {
        /// The file or folder.
        path: std::path::PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Credentials that are not taken, or a registry that cannot be asked about them.
    #[error(transparent)]
    Check(#[from] super::check::CheckError),
}
