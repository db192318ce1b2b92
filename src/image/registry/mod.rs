//! Registries: images and their signatures pulled into a store and pushed out of it, over the OCI distribution protocol. Everything that
//! arrives is bounded and checked against the descriptor that led to it.
//!
//! Two crates speak to registries. **oci-client** uploads blobs and manifests. Whatever is read comes over **reqwest**: oci-client reads
//! manifests, tokens and the text of errors to their end, however long a hostile registry makes them, drops `Retry-After`, and has no
//! client certificates and no identity tokens. So tokens are fetched here and handed to it, and a registry that wants a client certificate
//! is spoken to by reqwest alone. Attempts, waits and what an error says are the same for both ([`attempts`], [`fault`]).

mod attempts;
mod body;
pub mod certificates;
pub mod check;
mod contents;
mod error;
mod fault;
mod fetch;
mod link;
mod place;
mod progress;
mod pull;
mod push;
mod remote;
mod signatures;
#[cfg(test)]
mod tests;
mod token;
mod upload;

use std::path::PathBuf;

pub use attempts::Patience;
pub use error::RegistryError;
pub use progress::{Progress, Silent};

use super::ImageError;
use super::auth::AuthFile;
use super::reference::Reference;
use super::store::Store;
use fetch::Fetch;
use place::Place;
use remote::Remote;

/// How registries are spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Registries (`host` or `host:port`) that are spoken to without TLS, and never told credentials.
    pub insecure: Vec<String>,
    /// The file with credentials that was named; none: the usual places.
    pub authfile: Option<PathBuf>,
    /// The data directory, which has our own file with credentials.
    pub data: PathBuf,
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
    credentials: AuthFile,
    patience: Patience,
}

impl Registry {
    /// Reads what the options name; connects to nothing.
    ///
    /// # Errors
    /// When a file that was named cannot be used.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let found = AuthFile::find(options.authfile.as_deref(), &options.data);
        let credentials = found.map_err(|source| RegistryError::Credentials { registry: "registries".to_owned(), source })?;
        Ok(Registry { options, credentials, patience: Patience::default() })
    }

    /// With more or less patience than usual.
    pub fn with_patience(self, patience: Patience) -> Self {
        Registry { patience, ..self }
    }

    /// The digest of what the reference names, without fetching it.
    ///
    /// # Errors
    /// When no registry tells.
    pub async fn digest(&self, reference: &Reference) -> Result<String, RegistryError> {
        let name = reference.to_string();
        let (mut last, wanted) = (None, reference.digest.as_deref().or(reference.tag.as_deref()).unwrap_or("latest"));
        for place in place::sources(&self.options, reference) {
            let result = async {
                let remote = self.remote(place, false).await?;
                let fetch = Fetch { remote: &remote, reference: &name, verb: "fetch", progress: &Silent };
                if let Some(digest) = fetch.digest(wanted, &format!("image {name}")).await? {
                    return Ok(digest);
                }
                let path = format!("manifests/{wanted}");
                let document = fetch.document(&path, &format!("image {name}"), super::layout::DOCUMENT_LIMIT).await?;
                Ok(super::pack::digest_of(&document.bytes))
            };
            match result.await {
                Ok(digest) => return Ok(digest),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| nowhere(&name)))
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
        let (name, mut last) = (reference.to_string(), None);
        let digest = digest.or(reference.digest.as_deref());
        let order = pull::Order { reference, name: &name, digest, store };
        for place in place::sources(&self.options, reference) {
            let (mirror, host) = (place.mirror, place.host.clone());
            let result = match self.remote(place, false).await {
                Ok(remote) => pull::pull(Fetch { remote: &remote, reference: &name, verb: "fetch", progress }, order).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(digest) => return Ok(digest),
                Err(error) => {
                    if mirror {
                        progress.note(&format!("mirror {host} is left out: {}", chain(&error)));
                    }
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| nowhere(&name)))
    }

    /// Pulls the signatures of an image that is in the store already; gives how many documents there were. That takes no longer than a
    /// minute.
    ///
    /// # Errors
    /// When the registry cannot be asked, or none came in that time.
    pub async fn pull_signatures(&self, reference: &Reference, digest: &str, store: &Store) -> Result<usize, RegistryError> {
        let (name, mut last) = (reference.to_string(), None);
        let until = signatures::until(self.patience);
        for place in place::sources(&self.options, reference) {
            let host = place.host.clone();
            let result = async {
                let stage = store.stage().map_err(|error| kept(&name, error))?;
                let found = async {
                    let remote = self.remote(place, false).await?;
                    let fetch = Fetch { remote: &remote, reference: &name, verb: "fetch", progress: &Silent };
                    signatures::fetch(fetch, reference, digest, &stage, until).await
                };
                let found = tokio::time::timeout_at(until, found).await;
                let roots = found.unwrap_or_else(|_| Err(signatures::too_long(&host)))?;
                let count = roots.len();
                if count > 0 {
                    pull::commit(&name, stage, roots).await?;
                }
                Ok(count)
            };
            match result.await {
                Ok(0) => last = last.or(Some(Ok(0))),
                Ok(count) => return Ok(count),
                Err(error) => last = Some(Err(error)),
            }
        }
        last.unwrap_or_else(|| Err(nowhere(&name)))
    }

    /// Pushes an image with all its architectures, and its signatures, out of the store. Gives the digest.
    ///
    /// # Errors
    /// When it is not in the store, or the registry does not take it.
    pub async fn push(&self, reference: &Reference, store: &Store, progress: &dyn Progress) -> Result<String, RegistryError> {
        let name = reference.to_string();
        let unreadable = |source| RegistryError::Unreadable { reference: name.clone(), source: Box::new(source) };
        let root = store.resolve(&name).map_err(unreadable)?;
        let remote = self.remote(place::origin(&self.options, reference), true).await?;
        let fetch = Fetch { remote: &remote, reference: &name, verb: "push", progress };
        push::Push { fetch, files: store.files(), store }.image(reference, &root).await?;
        Ok(root.digest().to_string())
    }

    async fn remote(&self, place: Place, writes: bool) -> Result<Remote, RegistryError> {
        Remote::new(place, &self.options, &self.credentials, self.patience, writes).await
    }
}

/// Looks at bytes as all that a registry may send as documents: for the fuzz target.
#[doc(hidden)]
pub fn look_at(bytes: &[u8]) {
    let media_type = contents::media_type(bytes, "");
    let blobs = contents::manifest(bytes, "amd64").and_then(contents::distinct);
    let _ = (media_type, contents::index(bytes), blobs, fault::said(bytes));
}

fn nowhere(name: &str) -> RegistryError {
    RegistryError::Setup { registry: name.to_owned(), reason: "there is no place to ask".to_owned() }
}

fn kept(reference: &str, source: ImageError) -> RegistryError {
    RegistryError::Store { reference: reference.to_owned(), source: Box::new(source) }
}

/// An error and its causes, for notes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
