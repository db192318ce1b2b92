//! cosign with keys: signatures in its three forms, and making them. No transparency log, no certificates.
//!
//! As with cosign, a signature is about a digest, not about a place: the repository it was made for (`docker-reference`) is not compared.

mod attach;
mod der;
mod documents;
mod json;
mod key;
mod pem;
mod secret;
mod signing;

use oci_spec::image::Descriptor;

pub use attach::{Form, Signed, sign};
pub use documents::{Envelope, bundle, simple, statement};
pub use key::PublicKey;
pub use secret::EncryptedKey;
pub use signing::SigningKey;

use super::material::{Artifact, BUNDLE, Kind, SIMPLE_SIGNING, Subject};
use super::policy::Verified;

/// Annotation of a layer: the signature of its bytes, base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Characters of that annotation that are looked at; an RSA signature of 8192 bits has 1368.
const SIGNATURE_LIMIT: usize = 4096;

/// Whether one of the keys has signed the subject. Each layer with a signature is tried.
///
/// # Errors
/// Why not, for people: one reason for each layer.
pub(super) fn verify(keys: &[PublicKey], subject: &Subject, artifact: &Artifact) -> Result<Verified, String> {
    let mut reasons = Vec::new();
    for (at, (layer, bytes)) in artifact.manifest.layers().iter().zip(&artifact.layers).enumerate() {
        let result = match layer.media_type().as_ref() {
            SIMPLE_SIGNING => by_annotation(keys, subject, layer, bytes),
            other if other.starts_with(BUNDLE) => by_bundle(keys, subject, bytes),
            other => Err(format!("a layer of the type {:?} is no signature", documents::short(other))),
        };
        match result {
            Ok(key) => return Ok(Verified { by: format!("cosign key {}", key.fingerprint()), until: None }),
            Err(reason) => reasons.push(format!("layer {}: {reason}", at + 1)),
        }
    }
    let form = match artifact.kind {
        Kind::CosignTag => "cosign signature (tag)",
        Kind::CosignReferrer => "cosign signature (referrer)",
        Kind::Bundle => "sigstore bundle",
        Kind::Notation => "notation signature",
    };
    let reasons = if reasons.is_empty() { "it has no layer that can be read".to_owned() } else { reasons.join(", ") };
    Err(format!("{form} {}: {reasons}", artifact.digest))
}

fn by_annotation<'k>(keys: &'k [PublicKey], subject: &Subject, layer: &Descriptor, payload: &[u8]) -> Result<&'k PublicKey, String> {
    let text =
        layer.annotations().as_ref().and_then(|all| all.get(SIGNATURE)).ok_or_else(|| format!("it has no annotation {SIGNATURE}"))?;
    if text.len() > SIGNATURE_LIMIT {
        return Err(format!("its signature has more than {SIGNATURE_LIMIT} characters"));
    }
    let key = signer(keys, payload, &documents::decode(text, "signature")?)?;
    let digest = documents::simple(payload)?;
    if digest == subject.digest { Ok(key) } else { Err(another(&[digest], key)) }
}

fn by_bundle<'k>(keys: &'k [PublicKey], subject: &Subject, bytes: &[u8]) -> Result<&'k PublicKey, String> {
    let envelope = documents::bundle(bytes)?;
    let key = signer(keys, &envelope.encoding(), &envelope.signature).map_err(|reason| match keys.iter().any(PublicKey::is_ed25519) {
        true => format!("{reason} (bundles that cosign 3 signs with Ed25519 keys are of the prehashed kind, which is not supported)"),
        false => reason,
    })?;
    let digests = documents::statement(&envelope.payload)?;
    if digests.contains(&subject.digest) { Ok(key) } else { Err(another(&digests, key)) }
}

/// The first key that has signed the message.
fn signer<'k>(keys: &'k [PublicKey], message: &[u8], signature: &[u8]) -> Result<&'k PublicKey, String> {
    keys.iter().find(|key| key.verifies(message, signature)).ok_or_else(|| match keys {
        [key] => format!("the key {} has not signed it as it is", key.fingerprint()),
        _ => {
            let names: Vec<_> = keys.iter().take(3).map(PublicKey::fingerprint).collect();
            let more = if keys.len() > names.len() { ", ..." } else { "" };
            format!("none of the {} keys ({}{more}) has signed it as it is", keys.len(), names.join(", "))
        }
    })
}

fn another(digests: &[String], key: &PublicKey) -> String {
    let digests: Vec<_> = digests.iter().take(3).map(|digest| format!("{:?}", documents::short(digest))).collect();
    let digests = if digests.is_empty() { "no image".to_owned() } else { digests.join(", ") };
    format!("the key {} has signed {digests}, which is not this image", key.fingerprint())
}
