//! What can go wrong with credentials.

use std::path::PathBuf;

use super::fault::Fault;
use super::helper::HelperError;

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
    /// The file was read and is not what it should be.
    #[error("the credentials in {} cannot be used", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Fault,
    },
    /// A file that was named is not there.
    #[error("the file with credentials {} that {by} names does not exist", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// What names it: a flag or a variable.
        by: &'static str,
    },
    /// The program that keeps the credentials failed.
    #[error("cannot {action} the credentials of {registry}")]
    Helper {
        /// What was being done, as a verb.
        action: &'static str,
        /// The registry.
        registry: String,
        /// Why it failed.
        #[source]
        source: HelperError,
    },
    /// A user or password that the format cannot hold.
    #[error("{what} cannot be kept: {reason}")]
    Unkeepable {
        /// What it is.
        what: &'static str,
        /// Why not.
        reason: &'static str,
    },
}
