//! What can go wrong between a registry and a store.

use crate::image::ImageError;
use crate::image::auth::AuthError;

/// A registry could not be asked, refused, or gave something else than it should. Messages leave out their `source`.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The store could not be read or written, or refused what came.
    #[error("cannot keep {reference} in the store")]
    Store {
        /// The image.
        reference: String,
        /// Why.
        #[source]
        source: Box<ImageError>,
    },
    /// The image to be pushed is not in the store, or not as it should be.
    #[error("cannot read {reference} in the store")]
    Unreadable {
        /// The image.
        reference: String,
        /// Why.
        #[source]
        source: Box<ImageError>,
    },
    /// The credentials could not be read.
    #[error("cannot tell who asks {registry}")]
    Credentials {
        /// The registry.
        registry: String,
        /// Why.
        #[source]
        source: AuthError,
    },
    /// Connections cannot be made at all.
    #[error("cannot set up connections to {registry}: {reason}")]
    Setup {
        /// The registry.
        registry: String,
        /// Why.
        reason: String,
    },
    /// What was asked for is not there.
    #[error("cannot {doing}: registry {registry} does not have it")]
    Absent {
        /// What was being done: a verb and what it was done to.
        doing: String,
        /// The registry.
        registry: String,
    },
    /// The registry does not let us.
    #[error("cannot {doing}: registry {registry} does not allow it: {reason}; {hint}")]
    Denied {
        /// What was being done.
        doing: String,
        /// The registry.
        registry: String,
        /// Its words.
        reason: String,
        /// What may help.
        hint: String,
    },
    /// The registry could not be asked, or answered with an error.
    #[error("cannot {doing}: registry {registry}: {reason}{}", after(*.attempts))]
    Failed {
        /// What was being done.
        doing: String,
        /// The registry.
        registry: String,
        /// What happened.
        reason: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Something came, but not what was asked for.
    #[error("{what} from registry {registry} is refused: {reason}")]
    Refused {
        /// What it was to be.
        what: String,
        /// The registry.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The reference resolved to something else than an image index of the OCI.
    #[error("{reference} is not an image index but {media_type}; gadget images are OCI image indexes")]
    NotAnIndex {
        /// The image.
        reference: String,
        /// What it is.
        media_type: String,
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

impl RegistryError {
    /// Whether the registry could be asked and does not have it.
    pub fn is_absent(&self) -> bool {
        matches!(self, RegistryError::Absent { .. })
    }
}

fn after(attempts: u32) -> String {
    if attempts > 1 { format!(" (after {attempts} attempts)") } else { String::new() }
}
