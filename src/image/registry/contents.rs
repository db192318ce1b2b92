//! What an image's documents lead to, with bounds on how much that may be.

use std::collections::HashSet;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::de::IgnoredAny;

use super::fetch::Wanted;
use crate::image::layout::{DOCUMENT_LIMIT, LAYER_LIMIT, METADATA_LIMIT, OBJECT_LIMIT};
use crate::image::pack::{BTFGEN_TYPE, CONFIG_TYPE, EBPF_TYPE, WASM_TYPE};

/// Manifests an index may name.
const MANIFESTS: usize = 64;
/// Layers a manifest may name.
const LAYERS: usize = 16;
/// Bytes an image of all architectures may have.
const IMAGE_LIMIT: u64 = 512 << 20;

/// Whether that is the one form of a digest that is used.
pub(super) fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// What a document says that it is, else what its shape says, else what the registry calls it.
pub(super) fn media_type(bytes: &[u8], called: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Shape {
        #[serde(rename = "mediaType")]
        media_type: Option<String>,
        manifests: Option<IgnoredAny>,
        layers: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Shape>(bytes) {
        Ok(Shape { media_type: Some(own), .. }) => own.chars().take(128).collect(),
        Ok(Shape { manifests: Some(_), .. }) => MediaType::ImageIndex.to_string(),
        Ok(Shape { layers: Some(_), .. }) => MediaType::ImageManifest.to_string(),
        _ if called.is_empty() => "something that is no document".to_owned(),
        _ => called.chars().take(128).collect(),
    }
}

/// The manifests that an index names.
pub(super) fn index(bytes: &[u8]) -> Result<Vec<Descriptor>, String> {
    let index = ImageIndex::from_reader(bytes).map_err(|error| format!("it is malformed: {error}"))?;
    let manifests = index.manifests();
    if manifests.len() > MANIFESTS {
        return Err(format!("it names {} manifests, {MANIFESTS} are allowed", manifests.len()));
    }
    for entry in manifests {
        if *entry.media_type() != MediaType::ImageManifest {
            return Err(format!("it names something that is no image manifest but {}", entry.media_type()));
        }
        bounded(entry, "manifest", DOCUMENT_LIMIT)?;
    }
    Ok(manifests.clone())
}

/// The architecture of a manifest, for people.
pub(super) fn architecture(entry: &Descriptor) -> String {
    entry.platform().as_ref().map_or_else(|| "no platform".to_owned(), |platform| platform.architecture().to_string())
}

/// Config and layers that a manifest names.
pub(super) fn manifest(bytes: &[u8], architecture: &str) -> Result<Vec<Wanted>, String> {
    let manifest = ImageManifest::from_reader(bytes).map_err(|error| format!("it is malformed: {error}"))?;
    if manifest.layers().len() > LAYERS {
        return Err(format!("it names {} layers, {LAYERS} are allowed", manifest.layers().len()));
    }
    let config = if manifest.config().media_type().as_ref() == CONFIG_TYPE { "metadata" } else { "config" };
    let mut wanted = vec![wanted(manifest.config(), format!("{config} ({architecture})"), METADATA_LIMIT)?];
    for layer in manifest.layers() {
        let (name, limit) = match layer.media_type().as_ref() {
            EBPF_TYPE => ("eBPF layer", OBJECT_LIMIT),
            WASM_TYPE => ("WASM layer", LAYER_LIMIT),
            BTFGEN_TYPE => ("layer of kernel types", LAYER_LIMIT),
            _ => ("layer", LAYER_LIMIT),
        };
        wanted.push(self::wanted(layer, format!("{name} ({architecture})"), limit)?);
    }
    Ok(wanted)
}

/// A blob that a document names.
pub(super) fn wanted(descriptor: &Descriptor, what: String, limit: u64) -> Result<Wanted, String> {
    bounded(descriptor, &what, limit)?;
    Ok(Wanted { digest: descriptor.digest().to_string(), size: descriptor.size(), what })
}

fn bounded(descriptor: &Descriptor, what: &str, limit: u64) -> Result<(), String> {
    if !is_digest(descriptor.digest().as_ref()) {
        return Err(format!("the digest of its {what} is not SHA-256"));
    }
    if descriptor.size() > limit {
        return Err(format!("its {what} has {} bytes, {limit} are allowed", descriptor.size()));
    }
    Ok(())
}

/// Each blob once.
///
/// # Errors
/// When they are too much together.
pub(super) fn distinct(mut blobs: Vec<Wanted>) -> Result<Vec<Wanted>, String> {
    let mut seen = HashSet::new();
    blobs.retain(|blob| seen.insert(blob.digest.clone()));
    let total: u64 = blobs.iter().fold(0, |sum, blob| sum.saturating_add(blob.size));
    if total > IMAGE_LIMIT { Err(format!("its blobs have {total} bytes together, {IMAGE_LIMIT} are allowed")) } else { Ok(blobs) }
}
