//! What is signed: the payload of "simple signing", and sigstore bundles with a DSSE envelope around an in-toto statement. Only read
//! here; whether anybody trustworthy has signed them is decided before that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::json;

/// What the payload calls itself.
pub(super) const SIMPLE: &str = "cosign container image signature";
/// Type of what a bundle signs.
pub(super) const STATEMENT: &str = "application/vnd.in-toto+json";
/// What a statement says that makes it a signature of an image, as cosign 3 writes it. Others (SBOMs, provenance, findings of scanners) are
/// attestations: who signs one vouches for what it says, not for the image.
pub(super) const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// Subjects a statement may have.
const SUBJECTS: usize = 1024;

/// The digest that a payload of "simple signing" is about. For which repository it was signed (`docker-reference`) does not matter, as it does
/// not for cosign: images move between registries.
///
/// # Errors
/// What is wrong with it, for people.
pub fn simple(payload: &[u8]) -> Result<String, String> {
    let document = json::parse(payload)?;
    let kind = json::text(&document, &["critical", "type"])?;
    if kind != SIMPLE {
        return Err(format!("its critical.type is {:?}, not {SIMPLE:?}", short(kind)));
    }
    json::text(&document, &["critical", "image", "docker-manifest-digest"]).map(str::to_owned)
}

/// The digests (`sha256:...`) that an in-toto statement is about, which is a signature and no other attestation.
///
/// # Errors
/// What is wrong with it, for people.
pub fn statement(payload: &[u8]) -> Result<Vec<String>, String> {
    let document = json::parse(payload)?;
    let kind = json::text(&document, &["_type"])?;
    if !kind.starts_with("https://in-toto.io/Statement/") {
        return Err(format!("its _type is {:?}, not that of an in-toto statement", short(kind)));
    }
    let predicate = json::text(&document, &["predicateType"])?;
    if predicate != SIGNATURE {
        return Err(format!("it is an attestation of the type {:?}, not a signature ({SIGNATURE:?})", short(predicate)));
    }
    let subjects = document.get("subject").and_then(Value::as_array).ok_or("the statement has no subject")?;
    if subjects.len() > SUBJECTS {
        return Err(format!("the statement has {} subjects, more than the {SUBJECTS} allowed", subjects.len()));
    }
    let digest = |subject: &Value| json::text(subject, &["digest", "sha256"]).map(|hex| format!("sha256:{hex}")).ok();
    Ok(subjects.iter().filter_map(digest).collect())
}

/// A DSSE envelope with its only signature. Specification: secure-systems-lab/dsse, "envelope" and "protocol".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What is signed, decoded.
    pub payload: Vec<u8>,
    /// Its type.
    pub payload_type: String,
    /// The signature, decoded.
    pub signature: Vec<u8>,
}

impl Envelope {
    /// The bytes that are signed: type and payload, each behind its length.
    pub fn encoding(&self) -> Vec<u8> {
        let head = format!("DSSEv1 {} {} {} ", self.payload_type.len(), self.payload_type, self.payload.len());
        [head.as_bytes(), &self.payload].concat()
    }
}

/// The envelope of a sigstore bundle.
///
/// # Errors
/// What is wrong with it, for people.
pub fn bundle(bytes: &[u8]) -> Result<Envelope, String> {
    let document = json::parse(bytes)?;
    if document.get("messageSignature").is_some() {
        return Err("it signs a file (messageSignature), not a statement about an image".to_owned());
    }
    let envelope = document.get("dsseEnvelope").ok_or("it has no dsseEnvelope")?;
    let payload_type = json::text(envelope, &["payloadType"])?.to_owned();
    if payload_type != STATEMENT {
        return Err(format!("its payloadType is {:?}, not {STATEMENT:?}", short(&payload_type)));
    }
    let signatures = envelope.get("signatures").and_then(Value::as_array).ok_or("its envelope has no signatures")?;
    let [signature] = signatures.as_slice() else {
        return Err(format!("its envelope has {} signatures instead of one", signatures.len()));
    };
    let payload = decode(json::text(envelope, &["payload"])?, "payload")?;
    Ok(Envelope { payload, payload_type, signature: decode(json::text(signature, &["sig"])?, "signature")? })
}

/// Base64 as it stands in JSON and annotations.
pub(super) fn decode(text: &str, what: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("its {what} is not base64: {error}"))
}

/// Foreign text as far as a message has room for it.
pub(super) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
