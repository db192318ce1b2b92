//! Signatures of an image at a registry: cosign's tag `sha256-<hex>.sig`, and what refers to the image as its subject (OCI 1.1), told by
//! the referrers API or by the tag `sha256-<hex>`.

use std::collections::HashMap;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};

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
/// Documents that are fetched, and layers of one.
const COUNT: usize = 50;
/// Bytes that a document, and each of its layers, may have.
const LIMIT: u64 = 1 << 20;

/// The name of cosign's tag for an image, and of the index of its referrers where there is no API for that.
pub(super) fn tag(digest: &str) -> String {
    digest.replacen(':', "-", 1)
}

/// The name under which cosign's signature of an image is stored.
pub(super) fn name(reference: &Reference, digest: &str) -> String {
    format!("{}/{}:{}.sig", reference.domain, reference.repository, tag(digest))
}

/// Fetches all that there are; gives their roots.
///
/// # Errors
/// When the registry cannot be asked. A single one that is not as it should be is noted and left out.
pub(super) async fn fetch(
    fetch: Fetch<'_>,
    reference: &Reference,
    digest: &str,
    stage: &Staging,
) -> Result<Vec<Descriptor>, RegistryError> {
    let mut roots = Vec::new();
    match fetch.document(&format!("manifests/{}.sig", tag(digest)), "signature", LIMIT).await {
        Ok(document) => match tagged(fetch, &document, stage).await {
            Ok(mut root) => {
                set_name(&mut root, &name(reference, digest));
                roots.push(root);
            }
            Err(error) => left_out(fetch, &error),
        },
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(error),
    }
    let listed = match referrers(fetch, digest).await {
        Err(error) if !roots.is_empty() => {
            left_out(fetch, &error);
            Vec::new()
        }
        listed => listed?,
    };
    for entry in listed.iter().filter(|entry| may_be_signature(entry)).take(COUNT) {
        match referrer(fetch, entry, digest, stage).await {
            Ok(Some(root)) => roots.push(root),
            Ok(None) => {}
            Err(error) => left_out(fetch, &error),
        }
    }
    Ok(roots)
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

/// The manifest behind cosign's tag, and its layers.
async fn tagged(fetch: Fetch<'_>, document: &Document, stage: &Staging) -> Result<Descriptor, RegistryError> {
    let refused = |reason| super::pull::refused(fetch, "signature", reason);
    let media_type = contents::media_type(&document.bytes, &document.media_type);
    if media_type != MediaType::ImageManifest.to_string() {
        return Err(refused(format!("it is no image manifest but {media_type}")));
    }
    let manifest = parse(fetch, &document.bytes)?;
    layers(fetch, &manifest, &document.bytes, stage).await?;
    descriptor(&digest_of(&document.bytes), document.bytes.len() as u64, MediaType::ImageManifest).map_err(refused)
}

/// The manifest of a referrer, and its layers; none when it is no signature after all.
async fn referrer(fetch: Fetch<'_>, entry: &Descriptor, subject: &str, stage: &Staging) -> Result<Option<Descriptor>, RegistryError> {
    let refused = |reason: String| super::pull::refused(fetch, "signature", reason);
    let size = contents::wanted(entry, "signature".to_owned(), LIMIT).map_err(refused)?.size;
    let bytes = exactly(fetch, entry, "signature").await?;
    let manifest = parse(fetch, &bytes)?;
    // OCI image spec 1.1: without a type of its own an artifact has that of its config.
    let kind = manifest.artifact_type().clone().unwrap_or_else(|| manifest.config().media_type().clone());
    if !TYPES.contains(&kind.to_string().as_str()) {
        return Ok(None);
    }
    let about = manifest.subject().as_ref().map(|about| about.digest().to_string());
    if about.as_deref() != Some(subject) {
        return Err(refused(format!("it is about {}", about.as_deref().unwrap_or("nothing"))));
    }
    layers(fetch, &manifest, &bytes, stage).await?;
    let mut root = descriptor(entry.digest().as_ref(), size, MediaType::ImageManifest).map_err(refused)?;
    root.set_artifact_type(Some(kind));
    root.set_annotations(Some(HashMap::from([(SUBJECT.to_owned(), subject.to_owned())])));
    Ok(Some(root))
}

fn parse(fetch: Fetch<'_>, bytes: &[u8]) -> Result<ImageManifest, RegistryError> {
    ImageManifest::from_reader(bytes).map_err(|error| super::pull::refused(fetch, "signature", format!("it is malformed: {error}")))
}

/// Config and layers, and then the manifest itself.
async fn layers(fetch: Fetch<'_>, manifest: &ImageManifest, bytes: &[u8], stage: &Staging) -> Result<(), RegistryError> {
    let refused = |reason| super::pull::refused(fetch, "signature", reason);
    if manifest.layers().len() > COUNT {
        return Err(refused(format!("it has {} layers, {COUNT} are allowed", manifest.layers().len())));
    }
    let all = std::iter::once(manifest.config()).chain(manifest.layers());
    let wanted: Result<Vec<_>, _> = all.map(|blob| contents::wanted(blob, "signature".to_owned(), LIMIT)).collect();
    for blob in contents::distinct(wanted.map_err(refused)?).map_err(refused)? {
        fetch.blob(&blob, stage).await?;
    }
    stage.put(bytes).map(|_| ()).map_err(|error| super::kept(fetch.reference, error))
}
