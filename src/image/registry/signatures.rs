//! Signatures of an image at a registry: cosign's tag `sha256-<hex>.sig`, and what refers to the image as its subject (OCI 1.1), told by
//! the referrers API or by the tag `sha256-<hex>`.

use std::collections::HashMap;
use std::time::Duration;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use tokio::time::Instant;

use super::attempts::Patience;
use super::contents;
use super::error::RegistryError;
use super::fetch::{Document, Fetch};
use super::pull::{descriptor, exactly};
use crate::image::layout::DOCUMENT_LIMIT;
use crate::image::pack::digest_of;
use crate::image::reference::Reference;
use crate::image::store::{SUBJECT, Staging, set_name};

/// What refers to an image and is a signature: of cosign, of notation, a bundle of sigstore.
const TYPES: [&str; 3] = [
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.cncf.notary.signature",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
];
/// What cosign 3 lists its bundles as, though their manifests say better: the type of their config.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Referrers that are looked at.
const COUNT: usize = 50;
/// Layers of one.
const LAYERS: usize = 16;
/// Bytes that a document, and each of its layers, may have.
const LIMIT: u64 = 1 << 20;
/// Bytes that come for one image at most, manifests included.
const BUDGET: u64 = 16 << 20;
/// How long is looked for them.
const TIME: Duration = Duration::from_secs(60);

/// The name of cosign's tag for an image, and of the index of its referrers where there is no API for that.
pub(super) fn tag(digest: &str) -> String {
    digest.replacen(':', "-", 1)
}

/// The name under which cosign's signature of an image is stored.
pub(super) fn name(reference: &Reference, digest: &str) -> String {
    format!("{}/{}:{}.sig", reference.domain, reference.repository, tag(digest))
}

/// When a search for signatures that begins now has to be over.
pub(super) fn until(patience: Patience) -> Instant {
    Instant::now() + patience.stall.saturating_mul(4).min(TIME)
}

/// A search that has taken its time and found nothing.
pub(super) fn too_long(host: &str) -> RegistryError {
    let (doing, reason) = ("fetch signatures".to_owned(), "it takes too long".to_owned());
    RegistryError::Failed { doing, registry: host.to_owned(), reason, attempts: 1 }
}

/// Fetches all that there are, within bounds; gives their roots. What is there at the end of the time is given then.
///
/// # Errors
/// When the registry cannot be asked, or nothing is there in time. A single one that is not as it should be is noted and left out.
pub(super) async fn fetch(
    fetch: Fetch<'_>,
    reference: &Reference,
    digest: &str,
    stage: &Staging,
    until: Instant,
) -> Result<Vec<Descriptor>, RegistryError> {
    let mut search = Search { fetch, stage, left: BUDGET, roots: Vec::new() };
    match tokio::time::timeout_at(until, search.all(reference, digest)).await {
        Ok(done) => done?,
        Err(_) if search.roots.is_empty() => return Err(too_long(&fetch.remote.place.host)),
        Err(_) => {
            let error = too_long(&fetch.remote.place.host);
            fetch.progress.note(&format!("further signatures are left out: {error}"));
        }
    }
    Ok(search.roots)
}

fn left_out(fetch: Fetch<'_>, error: &RegistryError) {
    fetch.progress.note(&format!("a signature is left out: {}", super::chain(error)));
}

/// What refers to the image, as the registry says.
pub(super) async fn referrers(fetch: Fetch<'_>, digest: &str) -> Result<Vec<Descriptor>, RegistryError> {
    match api(fetch, digest).await? {
        Some(found) => Ok(found),
        None => match fetch.document(&format!("manifests/{}", tag(digest)), "list of signatures", DOCUMENT_LIMIT).await {
            Ok(document) => list(fetch, &document),
            Err(error) if error.is_absent() => Ok(Vec::new()),
            Err(error) => Err(error),
        },
    }
}

/// What the API says; none where there is none.
pub(super) async fn api(fetch: Fetch<'_>, digest: &str) -> Result<Option<Vec<Descriptor>>, RegistryError> {
    match fetch.document(&format!("referrers/{digest}"), "list of signatures", DOCUMENT_LIMIT).await {
        Ok(document) => list(fetch, &document).map(Some),
        // Registries without it answer in many ways.
        Err(RegistryError::Absent { .. } | RegistryError::Denied { .. } | RegistryError::Failed { attempts: 1, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn list(fetch: Fetch<'_>, document: &Document) -> Result<Vec<Descriptor>, RegistryError> {
    let index = ImageIndex::from_reader(&document.bytes[..]);
    let index = index.map_err(|error| super::pull::refused(fetch, "list of signatures", format!("it is malformed: {error}")))?;
    Ok(index.manifests().clone())
}

fn may_be_signature(entry: &Descriptor) -> bool {
    let kind = entry.artifact_type().as_ref().map(ToString::to_string);
    *entry.media_type() == MediaType::ImageManifest && kind.is_none_or(|kind| kind == EMPTY || TYPES.contains(&kind.as_str()))
}

fn parse(fetch: Fetch<'_>, bytes: &[u8]) -> Result<ImageManifest, RegistryError> {
    ImageManifest::from_reader(bytes).map_err(|error| super::pull::refused(fetch, "signature", format!("it is malformed: {error}")))
}

/// What is fetched of the signatures of an image.
struct Search<'a> {
    fetch: Fetch<'a>,
    stage: &'a Staging,
    /// Bytes that may still come.
    left: u64,
    roots: Vec<Descriptor>,
}

impl Search<'_> {
    async fn all(&mut self, reference: &Reference, digest: &str) -> Result<(), RegistryError> {
        let fetch = self.fetch;
        match fetch.document(&format!("manifests/{}.sig", tag(digest)), "signature", LIMIT).await {
            Ok(document) => match self.tagged(&document).await {
                Ok(mut root) => {
                    set_name(&mut root, &name(reference, digest));
                    self.roots.push(root);
                }
                Err(error) => left_out(fetch, &error),
            },
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
        let listed = match referrers(fetch, digest).await {
            Err(error) if !self.roots.is_empty() => {
                left_out(fetch, &error);
                Vec::new()
            }
            listed => listed?,
        };
        // Lists grow at their end: the newest come first.
        for entry in listed.iter().rev().filter(|entry| may_be_signature(entry)).take(COUNT) {
            match self.referrer(entry, digest).await {
                Ok(Some(root)) => self.roots.push(root),
                Ok(None) => {}
                Err(error) => left_out(fetch, &error),
            }
        }
        Ok(())
    }

    /// The manifest behind cosign's tag, and its layers.
    async fn tagged(&mut self, document: &Document) -> Result<Descriptor, RegistryError> {
        let size = document.bytes.len() as u64;
        self.spend(size)?;
        let media_type = contents::media_type(&document.bytes, &document.media_type);
        if media_type != MediaType::ImageManifest.to_string() {
            return Err(self.refused(format!("it is no image manifest but {media_type}")));
        }
        let manifest = parse(self.fetch, &document.bytes)?;
        self.layers(&manifest, &document.bytes).await?;
        descriptor(&digest_of(&document.bytes), size, MediaType::ImageManifest).map_err(|reason| self.refused(reason))
    }

    /// The manifest of a referrer, and its layers; none when it is no signature after all.
    async fn referrer(&mut self, entry: &Descriptor, subject: &str) -> Result<Option<Descriptor>, RegistryError> {
        let size = contents::wanted(entry, "signature".to_owned(), LIMIT).map_err(|reason| self.refused(reason))?.size;
        self.spend(size)?;
        let bytes = exactly(self.fetch, entry, "signature").await?;
        let manifest = parse(self.fetch, &bytes)?;
        // OCI image spec 1.1: without a type of its own an artifact has that of its config.
        let kind = manifest.artifact_type().clone().unwrap_or_else(|| manifest.config().media_type().clone());
        if !TYPES.contains(&kind.to_string().as_str()) {
            return Ok(None);
        }
        let about = manifest.subject().as_ref().map(|about| about.digest().to_string());
        if about.as_deref() != Some(subject) {
            return Err(self.refused(format!("it is about {}", about.as_deref().unwrap_or("nothing"))));
        }
        self.layers(&manifest, &bytes).await?;
        let root = descriptor(entry.digest().as_ref(), size, MediaType::ImageManifest);
        let mut root = root.map_err(|reason| self.refused(reason))?;
        root.set_artifact_type(Some(kind));
        root.set_annotations(Some(HashMap::from([(SUBJECT.to_owned(), subject.to_owned())])));
        Ok(Some(root))
    }

    /// Config and layers, and then the manifest itself.
    async fn layers(&mut self, manifest: &ImageManifest, bytes: &[u8]) -> Result<(), RegistryError> {
        if manifest.layers().len() > LAYERS {
            return Err(self.refused(format!("it has {} layers, {LAYERS} are allowed", manifest.layers().len())));
        }
        let all = std::iter::once(manifest.config()).chain(manifest.layers());
        let wanted: Result<Vec<_>, _> = all.map(|blob| contents::wanted(blob, "signature".to_owned(), LIMIT)).collect();
        let blobs = wanted.and_then(contents::distinct).map_err(|reason| self.refused(reason))?;
        self.spend(blobs.iter().map(|blob| blob.size).sum())?;
        for blob in blobs {
            self.fetch.blob(&blob, self.stage).await?;
        }
        self.stage.put(bytes).map(|_| ()).map_err(|error| super::kept(self.fetch.reference, error))
    }

    /// Takes so much of what may come; nothing, if it is too much.
    fn spend(&mut self, bytes: u64) -> Result<(), RegistryError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| self.refused(format!("with it there are more than the {BUDGET} bytes that all may have")))?;
        Ok(())
    }

    fn refused(&self, reason: String) -> RegistryError {
        super::pull::refused(self.fetch, "signature", reason)
    }
}
