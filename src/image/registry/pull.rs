//! An image out of a registry: index, manifests, blobs, signatures, and only when all is there and right, the name.

use std::collections::HashSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use oci_spec::image::{Descriptor, DescriptorBuilder, MediaType, Sha256Digest};

use super::contents;
use super::error::RegistryError;
use super::fetch::{Document, Fetch, Wanted};
use super::signatures;
use crate::image::layout::DOCUMENT_LIMIT;
use crate::image::pack::digest_of;
use crate::image::reference::Reference;
use crate::image::store::{Staging, Store, set_name};

/// Blobs that are fetched at a time.
const AT_ONCE: usize = 3;

/// What is to be pulled.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub reference: &'a Reference,
    /// Under which it is stored.
    pub name: &'a str,
    /// Exactly that one.
    pub digest: Option<&'a str>,
    pub store: &'a Store,
}

/// Pulls it from one place; gives its digest.
///
/// # Errors
/// When it cannot be had there or is not what it should be: the store is as it was.
pub(super) async fn pull(fetch: Fetch<'_>, order: Order<'_>) -> Result<String, RegistryError> {
    let stage = order.store.stage().map_err(|error| super::kept(order.name, error))?;
    if let Some(known) = present(fetch, order, &stage).await? {
        return Ok(known);
    }
    let wanted = order.digest.or(order.reference.tag.as_deref()).unwrap_or("latest");
    let what = format!("image {}", order.name);
    let root = fetch.document(&format!("manifests/{wanted}"), &what, DOCUMENT_LIMIT).await?;
    let (index, mut root) = accept(fetch, order, root, &what)?;
    let digest = root.digest().to_string();
    let manifests = contents::index(&index).map_err(|reason| refused(fetch, &what, reason))?;
    keep(order, &stage, &index)?;
    let blobs = manifests_of(fetch, order, &stage, &manifests).await?;
    let blobs = contents::distinct(blobs).map_err(|reason| refused(fetch, &what, reason))?;
    // The futures are made beforehand: a closure that makes them could not be sent between threads.
    let transfers: Vec<_> = blobs.iter().map(|blob| fetch.blob(blob, &stage)).collect();
    stream::iter(transfers).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let mut roots = signatures_of(fetch, order, &digest, &stage).await;
    set_name(&mut root, order.name);
    roots.push(root);
    commit(order.name, stage, roots).await?;
    Ok(digest)
}

/// The digest, if the store has the very image with all that belongs to it.
async fn present(fetch: Fetch<'_>, order: Order<'_>, stage: &Staging) -> Result<Option<String>, RegistryError> {
    let Ok(Some(root)) = order.store.named(order.name) else { return Ok(None) };
    let known = root.digest().to_string();
    if order.digest.is_some_and(|digest| digest != known) || !complete(order.store, &root, stage) {
        return Ok(None);
    }
    let tag = order.digest.or(order.reference.tag.as_deref()).unwrap_or("latest");
    let there = fetch.digest(tag, &format!("image {}", order.name)).await?;
    Ok(there.filter(|there| *there == known))
}

fn complete(store: &Store, root: &Descriptor, stage: &Staging) -> bool {
    let files = store.files();
    let Ok(index) = files.index(root) else { return false };
    index.manifests().iter().all(|entry| {
        let bytes = files.blob(entry, "manifest", DOCUMENT_LIMIT);
        let blobs = bytes.ok().and_then(|bytes| contents::manifest(&bytes, "").ok());
        blobs.is_some_and(|blobs| blobs.iter().all(|blob| stage.has(&blob.digest)))
    })
}

/// The index and its descriptor, if it is one, and the one that was asked for.
fn accept(fetch: Fetch<'_>, order: Order<'_>, document: Document, what: &str) -> Result<(Vec<u8>, Descriptor), RegistryError> {
    let found = digest_of(&document.bytes);
    if let Some(digest) = order.digest.filter(|digest| *digest != found) {
        return Err(refused(fetch, what, format!("{digest} was asked for, what came has the digest {found}")));
    }
    let media_type = contents::media_type(&document.bytes, &document.media_type);
    if media_type != MediaType::ImageIndex.to_string() {
        return Err(RegistryError::NotAnIndex { reference: order.name.to_owned(), media_type });
    }
    let root = descriptor(&found, document.bytes.len() as u64, MediaType::ImageIndex);
    Ok((document.bytes, root.map_err(|reason| refused(fetch, what, reason))?))
}

/// A descriptor of what has that digest.
pub(super) fn descriptor(digest: &str, size: u64, media_type: MediaType) -> Result<Descriptor, String> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let digest: Sha256Digest = hex.parse().map_err(|error: oci_spec::OciSpecError| error.to_string())?;
    DescriptorBuilder::default().media_type(media_type).digest(digest).size(size).build().map_err(|error| error.to_string())
}

/// Fetches the manifests that are missing; gives the blobs that all of them name.
async fn manifests_of(fetch: Fetch<'_>, order: Order<'_>, stage: &Staging, all: &[Descriptor]) -> Result<Vec<Wanted>, RegistryError> {
    let (mut seen, mut blobs, files) = (HashSet::new(), Vec::new(), order.store.files());
    for entry in all {
        let digest = entry.digest().to_string();
        if !seen.insert(digest.clone()) {
            continue;
        }
        let architecture = contents::architecture(entry);
        let what = format!("manifest ({architecture})");
        let known = files.blob(entry, "manifest", DOCUMENT_LIMIT).ok();
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let bytes = exactly(fetch, entry, &what).await?;
                keep(order, stage, &bytes)?;
                bytes
            }
        };
        blobs.extend(contents::manifest(&bytes, &architecture).map_err(|reason| refused(fetch, &what, reason))?);
    }
    Ok(blobs)
}

/// The manifest that a descriptor leads to.
pub(super) async fn exactly(fetch: Fetch<'_>, entry: &Descriptor, what: &str) -> Result<Vec<u8>, RegistryError> {
    let digest = entry.digest().to_string();
    let document = fetch.document(&format!("manifests/{digest}"), what, entry.size()).await?;
    let (size, found) = (document.bytes.len() as u64, digest_of(&document.bytes));
    if size != entry.size() {
        return Err(refused(fetch, what, format!("{size} bytes arrived instead of {}", entry.size())));
    }
    if found != digest {
        return Err(refused(fetch, what, format!("its content has the digest {found} instead of {digest}")));
    }
    Ok(document.bytes)
}

/// Signatures are worth having, but an image is one without them.
async fn signatures_of(fetch: Fetch<'_>, order: Order<'_>, digest: &str, stage: &Staging) -> Vec<Descriptor> {
    let until = signatures::until(fetch.remote.link.patience);
    match signatures::fetch(fetch, order.reference, digest, stage, until).await {
        Ok(roots) => roots,
        Err(error) => {
            fetch.progress.note(&format!("signatures are left out: {}", super::chain(&error)));
            Vec::new()
        }
    }
}

/// Makes it all part of the store; waits for its lock elsewhere.
pub(super) async fn commit(name: &str, stage: Staging, roots: Vec<Descriptor>) -> Result<(), RegistryError> {
    match tokio::task::spawn_blocking(move || stage.commit(roots)).await {
        Ok(done) => done.map_err(|error| super::kept(name, error)),
        Err(error) => Err(RegistryError::Setup { registry: "the store".to_owned(), reason: error.to_string() }),
    }
}

fn keep(order: Order<'_>, stage: &Staging, bytes: &[u8]) -> Result<(), RegistryError> {
    stage.put(bytes).map(|_| ()).map_err(|error| super::kept(order.name, error))
}

pub(super) fn refused(fetch: Fetch<'_>, what: &str, reason: String) -> RegistryError {
    RegistryError::Refused { what: what.to_owned(), registry: fetch.remote.place.host.clone(), reason }
}
