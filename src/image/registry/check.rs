//! Whether a registry takes credentials: what `login` asks before it keeps them.

use super::error::RegistryError;
use crate::image::auth::Credentials;

/// How the registry is to be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'a> {
    /// Without TLS.
    pub plain: bool,
    /// Whatever its certificate.
    pub unverified: bool,
    /// As [`super::Options::cert_dir`].
    pub cert_dir: Option<&'a std::path::Path>,
}

/// Asks `host[:port]` with these credentials (basic, or over its token server).
///
/// # Errors
/// When it does not take them, or cannot be asked.
pub async fn check(host: &str, credentials: &Credentials, how: How<'_>) -> Result<(), RegistryError> {
    let _ = (credentials, how);
    Err(RegistryError::Unfinished { what: host.to_owned() })
}
