//! notation: signature envelopes checked against certificates and a trust policy. Nothing is asked of the network.
//! Contract: Notary Project specifications, "trust-store-trust-policy", "signature-specification", "signature-envelope-jws" and "-cose".

mod algorithm;
mod attributes;
mod certificate;
mod chain;
mod document;
mod envelope;
mod identity;
mod level;
mod refusal;
mod rules;
#[cfg(test)]
mod tests;
mod time;
mod usage;
mod verification;

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::error::TrustError;
use super::material::{Artifact, Subject};
use super::policy::Verified;
use document::Statement;
use level::Level;
use refusal::shown;

/// The annotation of a signature's manifest that names the certificates ("signature-specification", section "Storage").
const THUMBPRINTS: &str = "io.cncf.notary.x509chain.thumbprint#S256";

/// Certificates and the policy that says what they are good for.
///
/// The certificates make up each `ca` and `signingAuthority` trust store that the policy names; `tsa` stores are accepted and empty,
/// as timestamps by authorities are not evaluated: certificates have to be valid at the time of verification, except that the time a
/// signing authority vouches for counts where the policy names a `signingAuthority` store. Revocation is not looked up: a certificate
/// that names a responder or a list fails that check, which the policy enforces, logs or skips. A policy with the level `skip`
/// verifies nothing, so images in its scope are refused.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Changes whenever what it holds does.
    pub fingerprint: String,
    /// DER, in order.
    certificates: Vec<Vec<u8>>,
    statements: Vec<Statement>,
}

/// One signature as it lies in a registry or store.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// Media type of the layer: `application/jose+json` or `application/cose`.
    pub media_type: &'a str,
    /// The layer.
    pub envelope: &'a [u8],
    /// The manifest's annotation `io.cncf.notary.x509chain.thumbprint#S256`: a JSON list of SHA-256 digests in hexadecimal digits.
    pub thumbprints: Option<&'a str>,
}

impl Trust {
    /// From certificates (PEM texts, each with one or several) and a trust policy document (JSON).
    ///
    /// # Errors
    /// [`TrustError::Material`] with all that is wrong when a certificate or the document cannot be used.
    pub fn new(certificates: &[String], policy: &str) -> Result<Self, TrustError> {
        let unusable = |what: &str, wrong: Vec<String>| TrustError::Material { what: what.to_owned(), reason: wrong.join("; ") };
        let certificates = certificate::store(certificates).map_err(|wrong| unusable("the trust store of notation", wrong))?;
        let statements = document::parse(policy).map_err(|wrong| unusable("the trust policy of notation", wrong))?;
        let mut hash = Sha256::new();
        for der in &certificates {
            hash.update(Sha256::digest(der));
        }
        hash.update(Sha256::digest(document::canonical(policy).as_bytes()));
        Ok(Trust { fingerprint: format!("sha256:{}", verification::hex(&hash.finalize())), certificates, statements })
    }

    /// Whether an envelope is a good signature of the subject.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn verify(&self, subject: &Subject, artifact: &Artifact) -> Result<Verified, String> {
        let about = |reason: String| format!("notation signature {}: {reason}", shown(&artifact.digest));
        let ([layer], [envelope]) = (artifact.manifest.layers().as_slice(), artifact.layers.as_slice()) else {
            return Err(about(format!("integrity: it has {} layers, not one", artifact.layers.len())));
        };
        let media_type = layer.media_type().to_string();
        let thumbprints = artifact.manifest.annotations().as_ref().and_then(|all| all.get(THUMBPRINTS)).map(String::as_str);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        self.verify_at(subject, &Signature { media_type: &media_type, envelope, thumbprints }, now).map_err(about)
    }

    /// Whether a signature of the subject is good at a time (seconds since the Unix epoch).
    ///
    /// # Errors
    /// Why not, for people: the check that failed, by its name in the specification, and what it found.
    pub fn verify_at(&self, subject: &Subject, signature: &Signature<'_>, now: i64) -> Result<Verified, String> {
        let Some(statement) = document::select(&self.statements, &subject.repository) else {
            return Err(format!("no trust policy is for {}", subject.repository));
        };
        if statement.level == Level::Skip {
            return Err(format!(
                "the trust policy {:?} for {} has the level skip: nothing is verified",
                shown(&statement.name),
                subject.repository
            ));
        }
        let accepted =
            verification::verify(statement, &self.certificates, subject, signature, now).map_err(|refusal| refusal.to_string())?;
        for refusal in &accepted.logged {
            tracing::warn!(image = subject.reference, signer = accepted.signer, %refusal, "A signature fails a check that the trust policy only logs");
        }
        let failed: Vec<_> = accepted.logged.iter().map(|refusal| refusal.check.to_string()).collect();
        let rest = if failed.is_empty() { String::new() } else { format!(" (failed, but not enforced: {})", failed.join(", ")) };
        Ok(Verified { by: format!("notation certificate {}{rest}", accepted.signer), until: accepted.until })
    }
}
