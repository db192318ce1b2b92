//! What is wrong with a file of credentials.

/// What is wrong with a file. Says nothing of the values in it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is not JSON.
    #[error("it is not JSON")]
    Json(#[source] serde_json::Error),
    /// It is larger than [`super::file::LIMIT`].
    #[error("it is larger than {limit} bytes")]
    Size {
        /// The limit, in bytes.
        limit: u64,
    },
    /// It is a device, a pipe or a folder.
    #[error("it is not a regular file")]
    NotAFile,
    /// A value is of another type than it has to be.
    #[error("{at} is not {expected}")]
    Shape {
        /// Where it is.
        at: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// `auth` does not decode.
    #[error("{at} is not the Base64 form of USER:PASSWORD")]
    Encoding {
        /// Where it is.
        at: String,
    },
}
