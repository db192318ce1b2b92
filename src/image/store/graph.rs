//! What a root leads to: indexes to manifests, manifests to their config and layers. Foreign documents: their bytes and number and the
//! depth are bounded.

use std::collections::HashSet;

use oci_spec::OciSpecError;
use oci_spec::image::Descriptor;
use serde::Deserialize;

use crate::image::error::ImageError;

/// Indexes in indexes.
const MAX_DEPTH: usize = 4;
/// Blobs that one root may lead to.
const MAX_BLOBS: usize = 10_000;

/// Every member of an index or manifest that names blobs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Links {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
}

/// What is asked to look at a blob: the content of a document that is to be followed.
pub(super) type Visit<'v> = dyn FnMut(&Descriptor) -> Result<Option<Vec<u8>>, ImageError> + 'v;

/// Whether blobs of that type lead to others: indexes and manifests of OCI and of Docker.
pub(super) fn is_document(blob: &Descriptor) -> bool {
    is_manifest(blob)
        || matches!(
            blob.media_type().as_ref(),
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
}

/// Whether blobs of that type are manifests, which may say something about another image.
pub(super) fn is_manifest(blob: &Descriptor) -> bool {
    matches!(
        blob.media_type().as_ref(),
        "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json"
            | "application/vnd.oci.artifact.manifest.v1+json"
    )
}

/// Visits each blob that `root` leads to once, itself first, but none that is in `seen`.
pub(super) fn descend(root: &Descriptor, seen: &mut HashSet<String>, visit: &mut Visit<'_>) -> Result<(), ImageError> {
    let (mut waiting, mut count) = (vec![(root.clone(), 0)], 0);
    while let Some((blob, depth)) = waiting.pop() {
        if !seen.insert(blob.digest().to_string()) {
            continue;
        }
        count += 1;
        if count > MAX_BLOBS || depth > MAX_DEPTH {
            return Err(refused(&blob, format!("more than {MAX_BLOBS} blobs, or more than {MAX_DEPTH} levels, lead to it")));
        }
        let Some(content) = visit(&blob)?.filter(|_| is_document(&blob)) else { continue };
        let links = links(&blob, &content)?;
        let lists = [links.manifests, links.layers, links.blobs].into_iter().flatten().flatten();
        waiting.extend(lists.chain(links.config).map(|next| (next, depth + 1)));
    }
    Ok(())
}

/// The digest of what a manifest says something about.
pub(super) fn subject(manifest: &Descriptor, content: &[u8]) -> Result<Option<String>, ImageError> {
    Ok(links(manifest, content)?.subject.map(|subject| subject.digest().to_string()))
}

fn links(document: &Descriptor, content: &[u8]) -> Result<Links, ImageError> {
    let what = format!("document {}", document.digest());
    serde_json::from_slice(content).map_err(|source| ImageError::Document { what, source: OciSpecError::SerDe(source) })
}

fn refused(blob: &Descriptor, reason: String) -> ImageError {
    ImageError::Blob { digest: blob.digest().to_string(), what: "blob", reason }
}
