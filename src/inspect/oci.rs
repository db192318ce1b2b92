//! What the image says of itself.

use std::str::FromStr;

use serde_json::Value;

use super::error::InspectError;
use super::{ExtraInfo, PLAIN, YAML};
use crate::image::{GadgetImage, Reference};

const CREATED: &str = "org.opencontainers.image.created";

/// Adds the keys `oci.*`. `oci.digest` is upstream's: the digest of the metadata (the config blob), as scripts that read it expect. The
/// image's own is in `oci.image.digest`.
pub(super) fn add(info: &mut ExtraInfo, image: &GadgetImage) -> Result<(), InspectError> {
    info.text("oci.metadata", YAML, image.metadata.clone());
    if image.manifest.is_empty() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&image.manifest);
    let manifest = Value::from_str(&text).map_err(InspectError::Manifest)?;
    let digest = manifest.pointer("/config/digest").and_then(Value::as_str).unwrap_or_default();
    info.text("oci.digest", PLAIN, digest);
    info.text("oci.image.digest", PLAIN, image.digest.as_str());
    info.json("oci.manifest", &manifest);
    info.text("oci.created", PLAIN, image.annotations.get(CREATED).map_or("", String::as_str));
    if let Ok(reference) = Reference::parse(&image.reference) {
        info.text("oci.repository", PLAIN, format!("{}/{}", reference.domain, reference.repository));
        info.text("oci.tag", PLAIN, reference.tag.unwrap_or_default());
    }
    Ok(())
}
