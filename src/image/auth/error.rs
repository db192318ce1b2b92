//! What can go wrong with credentials.

use std::path::PathBuf;

/// Credentials could not be read or kept. Messages leave out their `source`, and all that is secret.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file could not be read or written.
    #[error("cannot {action} the credentials in {}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}
