//! The allowed gadgets.

use super::error::TrustError;
use crate::image::reference::Reference;

/// Whether an entry asks for a digest.
pub(super) fn ask_for_digest(allowed: &[String]) -> bool {
    allowed.iter().any(|entry| entry.contains("@sha256:"))
}

/// Whether the image is among them.
pub(super) fn check(allowed: &[String], reference: &Reference, digest: Option<&str>) -> Result<(), TrustError> {
    let _ = digest;
    if allowed.is_empty() {
        return Ok(());
    }
    Err(TrustError::NotAllowed { reference: reference.to_string(), allowed: allowed.to_vec() })
}
