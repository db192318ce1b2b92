//! Reads the PEM files that the TLS settings name.

use std::path::PathBuf;

use super::config::TlsSettings;
use crate::exporter::BuildError;

/// The contents of the files.
#[derive(Default)]
pub(super) struct Pem {
    pub(super) authorities: Option<Vec<u8>>,
    /// Certificate and key.
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Reads them.
///
/// # Errors
/// When one cannot be read.
pub(super) fn read(settings: &TlsSettings) -> Result<Pem, BuildError> {
    let authorities = settings.ca_file.as_ref().map(|path| file("certificate authorities", path)).transpose()?;
    let identity = match (&settings.cert_file, &settings.key_file) {
        (Some(cert), Some(key)) => Some((file("client certificate", cert)?, file("client key", key)?)),
        _ => None,
    };
    Ok(Pem { authorities, identity })
}

fn file(what: &str, path: &PathBuf) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|source| BuildError::System { doing: format!("read {what} {}", path.display()), source })
}

/// Makes ring the cryptography of the whole process. Only the first call does something.
pub(super) fn install_provider() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A TLS configuration that the library refused.
pub(super) fn refused(error: &dyn std::error::Error) -> BuildError {
    BuildError::System { doing: "set up TLS".to_owned(), source: std::io::Error::other(super::answer::chain(error)) }
}
