//! What is asked of an image before it may run.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::allowed::{self, Allowance};
use super::cosign::{self, PublicKey};
use super::error::TrustError;
use super::material::{Kind, Signatures, Subject};
use super::notation;
use crate::image::pack::digest_of;
use crate::image::reference::{Names, Reference};

/// The rules.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether images must be signed. Those built into the program need no signature.
    pub required: bool,
    /// Keys of which any may have signed (cosign).
    pub keys: Vec<PublicKey>,
    /// Certificates and trust policy (notation).
    pub notation: Option<notation::Trust>,
    /// Allowed gadgets: names with a tag or digest, prefixes ending in `*`, places on disk beginning with `/`. Blank ones do not count; none: all.
    pub allowed: Vec<String>,
    /// How the names among them are completed.
    pub names: Names,
}

/// A signature that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// By what, for people: `cosign key sha256:...`, `notation certificate CN=...`.
    pub by: String,
    /// From when on it would be refused, in seconds since the Unix epoch; none: it does not age.
    pub until: Option<i64>,
}

impl Default for Policy {
    /// Signatures by upstream's project are required; names are completed as upstream does.
    fn default() -> Self {
        Policy {
            required: true,
            keys: PublicKey::of_project().into_iter().collect(),
            notation: None,
            allowed: Vec::new(),
            names: Names::default(),
        }
    }
}

impl Policy {
    /// Changes whenever the answer of [`Policy::verify`] may change: keys (in whatever order), certificates, trust policy.
    pub fn fingerprint(&self) -> String {
        let mut keys: Vec<_> = self.keys.iter().map(PublicKey::fingerprint).collect();
        keys.sort();
        keys.dedup();
        let notation = self.notation.as_ref().map(|trust| digest_of(trust.fingerprint.as_bytes()));
        let mut hash = Sha256::new();
        for part in std::iter::once("policy 1").chain(keys.iter().map(String::as_str)).chain(["notation"]).chain(notation.as_deref()) {
            hash.update(part);
            hash.update([0]);
        }
        digest_of(&hash.finalize())
    }

    /// Whether an entry asks for a digest, so that it may have to be known before anything is pulled.
    pub fn asks_for_digest(&self) -> bool {
        allowed::ask_for_digest(&self.allowed)
    }

    /// What the allowed gadgets say of an image; `digest` when it is known. With [`Allowance::DependsOnDigest`], ask again once it is.
    pub fn allowance(&self, reference: &Reference, digest: Option<&str>) -> Allowance {
        allowed::allowance(&self.allowed, &self.names, reference, digest)
    }

    /// Whether the image may run; `digest` when it is known. One for which the digest decides is refused without.
    ///
    /// # Errors
    /// [`TrustError::NotAllowed`].
    pub fn allow(&self, reference: &Reference, digest: Option<&str>) -> Result<(), TrustError> {
        allowed::check(&self.allowed, &self.names, reference, digest)
    }

    /// Whether what is at that place on disk may run: `path` without the name of an image behind it.
    ///
    /// # Errors
    /// [`TrustError::NotAllowed`].
    pub fn allow_path(&self, path: &Path) -> Result<(), TrustError> {
        allowed::check_path(&self.allowed, &self.names, path)
    }

    /// Whether one of the signatures is good; the first that is ends the search.
    ///
    /// # Errors
    /// When none is.
    pub fn verify(&self, subject: &Subject, found: &Signatures) -> Result<Verified, TrustError> {
        let reference = subject.reference.clone();
        if self.keys.is_empty() && self.notation.is_none() {
            return Err(TrustError::NoVerifier { reference });
        }
        let mut reasons = Vec::new();
        for artifact in &found.artifacts {
            let result = match (artifact.kind, &self.notation) {
                (Kind::Notation, Some(trust)) => trust.verify(subject, artifact),
                (Kind::Notation, None) => Err(format!("notation signature {}: no certificate is given to verify it with", artifact.digest)),
                _ if self.keys.is_empty() => Err(format!("cosign signature {}: no public key is given to verify it with", artifact.digest)),
                _ => cosign::verify(&self.keys, subject, artifact),
            };
            match result {
                Ok(verified) => return Ok(verified),
                Err(reason) => reasons.push(reason),
            }
        }
        reasons.extend(found.broken.iter().cloned());
        Err(if reasons.is_empty() { TrustError::Unsigned { reference } } else { TrustError::Unverified { reference, reasons } })
    }
}
