//! What can go wrong between us and the API server.

use std::path::PathBuf;
use std::time::Duration;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// The kubeconfig cannot be used.
    #[error("cannot use kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no usable service account.
    #[error("cannot use the service account of this pod")]
    ServiceAccount(#[source] kube::config::InClusterError),
    /// The client cannot be made of what the settings say.
    #[error("cannot set up the client for {url}")]
    Client {
        /// The API server.
        url: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// A credential plugin did not come to an end.
    #[error("cannot set up the client within {0:?}")]
    Setup(Duration),
    /// The request could not be sent, or its answer broke off.
    #[error("cannot {doing}")]
    Request {
        /// What was being done.
        doing: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("cannot {doing}: no answer within {limit:?}")]
    Timeout {
        /// What was being done.
        doing: String,
        /// How long it was waited.
        limit: Duration,
    },
    /// The API server said no.
    #[error("cannot {doing}: {message} (status {status})")]
    Refused {
        /// What was being done.
        doing: String,
        /// HTTP status.
        status: u16,
        /// Its own words, cut.
        message: String,
    },
    /// More than there may be.
    #[error("cannot {doing}: the answer is longer than {limit} bytes")]
    TooLong {
        /// What was being done.
        doing: String,
        /// The most bytes that are read.
        limit: usize,
    },
    /// More objects than there may be.
    #[error("cannot {doing}: there are more than {limit} pages")]
    TooMany {
        /// What was being done.
        doing: String,
        /// The most pages that are read.
        limit: usize,
    },
    /// Not what the API's types look like.
    #[error("cannot {doing}: the answer makes no sense")]
    Malformed {
        /// What was being done.
        doing: String,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
}

impl KubernetesError {
    /// The error and all its sources in one line.
    pub fn full(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        // A source may refer to itself.
        for _ in 0..16 {
            let Some(error) = next else { break };
            let words = error.to_string();
            if !text.contains(&words) {
                text = format!("{text}: {words}");
            }
            next = error.source();
        }
        text
    }

    /// Whether the state that was asked for is too old to go on from.
    pub(super) fn is_expired(&self) -> bool {
        matches!(self, KubernetesError::Refused { status: 410, .. })
    }

    /// Whether the answer could not be read.
    pub(super) fn is_nonsense(&self) -> bool {
        matches!(self, KubernetesError::Malformed { .. } | KubernetesError::TooLong { .. })
    }

    /// Whether a permission is missing.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, KubernetesError::Refused { status: 401 | 403, .. })
    }

    /// Whether there is no such object.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, KubernetesError::Refused { status: 404, .. })
    }
}
