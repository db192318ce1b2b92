//! Registries: images and their signatures pulled into a store and pushed out of it, over the OCI distribution protocol. Everything that
//! arrives is bounded and checked against the descriptor that led to it.

pub mod certificates;
pub mod check;
mod error;
mod progress;

use std::path::PathBuf;

pub use error::RegistryError;
pub use progress::{Progress, Silent};

use super::reference::Reference;
use super::store::Store;

/// How registries are spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Registries (`host` or `host:port`) that are spoken to without TLS, and never told credentials.
    pub insecure: Vec<String>,
    /// The data directory.
    pub data: PathBuf,
    /// The file with credentials that was named; none: the usual places.
    pub authfile: Option<PathBuf>,
    /// A folder of `*.crt` (authorities), `*.cert` and `*.key` (client certificate), or of folders `host[:port]` with such files; none:
    /// `/etc/gadgetry/certs.d`, `/etc/containers/certs.d` and `/etc/docker/certs.d`.
    pub cert_dir: Option<PathBuf>,
    /// Registries that are asked first: for a registry's host its mirrors, each `host[:port][/prefix]`, in order.
    pub mirrors: std::collections::BTreeMap<String, Vec<String>>,
}

/// The registries of the world.
#[derive(Debug)]
pub struct Registry {
    options: Options,
}

impl Registry {
    /// Reads what the options name; connects to nothing.
    ///
    /// # Errors
    /// When a file that was named cannot be used.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        Ok(Registry { options })
    }

    /// The digest of what the reference names, without fetching it.
    ///
    /// # Errors
    /// When no registry tells.
    pub async fn digest(&self, reference: &Reference) -> Result<String, RegistryError> {
        Err(self.missing(reference))
    }

    /// Pulls an image of all architectures, and what signatures there are, into the store under its full name (tag, else digest); with
    /// `digest`, exactly that one. Gives the digest. An image that is there already costs a request.
    ///
    /// # Errors
    /// When it cannot be had or is not what it should be: the store is as it was. Signatures that cannot be had are no error.
    pub async fn pull(
        &self,
        reference: &Reference,
        digest: Option<&str>,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<String, RegistryError> {
        let _ = (digest, store, progress);
        Err(self.missing(reference))
    }

    /// Pulls the signatures of an image that is in the store already; gives how many documents there were.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub async fn pull_signatures(&self, reference: &Reference, digest: &str, store: &Store) -> Result<usize, RegistryError> {
        let _ = (digest, store);
        Err(self.missing(reference))
    }

    /// Pushes an image with all its architectures, and its signatures, out of the store. Gives the digest.
    ///
    /// # Errors
    /// When it is not in the store, or the registry does not take it.
    pub async fn push(&self, reference: &Reference, store: &Store, progress: &dyn Progress) -> Result<String, RegistryError> {
        let _ = (store, progress);
        Err(self.missing(reference))
    }

    fn missing(&self, reference: &Reference) -> RegistryError {
        let _ = &self.options;
        RegistryError::Unfinished { what: reference.to_string() }
    }
}
