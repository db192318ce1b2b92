//! The checks of one signature, in the order of the specification's verification steps.
//! Contract: "trust-store-trust-policy", section "Signature Verification".

use serde::Deserialize;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;

use super::algorithm::Algorithm;
use super::attributes::{Attributes, Scheme};
use super::certificate::label;
use super::document::Statement;
use super::envelope::Envelope;
use super::identity::Identities;
use super::level::Action;
use super::refusal::{Check, Refusal, shown};
use super::{Signature, chain, time};
use crate::image::trust::Subject;

/// Digests of a signature manifest's annotation; a chain is never longer.
const THUMBPRINT_LIMIT: usize = 4096;

/// What is signed, as the payload says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    media_type: String,
    digest: String,
    size: u64,
}

/// A signature that the policy accepts.
pub(super) struct Accepted {
    /// The signer's subject.
    pub(super) signer: String,
    /// Failed checks that the policy only logs.
    pub(super) logged: Vec<Refusal>,
    /// From when on the policy would refuse it, in seconds since the Unix epoch.
    pub(super) until: Option<i64>,
}

/// Checks one signature against a policy and the trusted certificates; `now` in seconds since the Unix epoch.
pub(super) fn verify(
    statement: &Statement,
    trusted: &[Vec<u8>],
    subject: &Subject,
    signature: &Signature<'_>,
    now: i64,
) -> Result<Accepted, Refusal> {
    let envelope = Envelope::parse(signature.media_type, signature.envelope).map_err(Refusal::integrity)?;
    let certificates = chain::read(&envelope.chain).map_err(Refusal::integrity)?;
    let signer = certificates.first().ok_or_else(|| Refusal::integrity("it has no certificate"))?;
    signed(&envelope, signer).map_err(Refusal::integrity)?;
    same_target(&envelope.payload, subject).map_err(Refusal::integrity)?;
    thumbprints(signature.thumbprints, &envelope.chain).map_err(Refusal::integrity)?;
    let results = [
        (Check::Authenticity, authentic(statement, trusted, &envelope, &certificates, signer)),
        (Check::Expiry, unexpired(&envelope.attributes, now)),
        (Check::AuthenticTimestamp, timely(&envelope, &certificates, now)),
        (Check::Revocation, chain::without_revocation(&certificates)),
    ];
    let mut logged = Vec::new();
    for (check, result) in results {
        match (result.map_err(|reason| Refusal { check, reason }), statement.level.action(check)) {
            (Ok(()), _) | (_, Action::Skip) => {}
            (Err(refusal), Action::Log) => logged.push(refusal),
            (Err(refusal), Action::Enforce) => return Err(refusal),
        }
    }
    Ok(Accepted { signer: label(signer), logged, until: until(statement, &envelope.attributes, &certificates) })
}

/// Whether the signer's key made the signature, with the one algorithm the key stands for.
fn signed(envelope: &Envelope, signer: &X509Certificate<'_>) -> Result<(), String> {
    let key = signer.public_key();
    let expected = Algorithm::of(key).map_err(|reason| format!("certificate {}: {reason}", label(signer)))?;
    if expected != envelope.algorithm {
        return Err(format!("it is made with {}, but the key of {} is for {expected}", envelope.algorithm, label(signer)));
    }
    if expected.verify(key, &envelope.signed, &envelope.signature) {
        return Ok(());
    }
    Err(format!("the key of {} did not make it, or what it signs was altered", label(signer)))
}

/// Whether it is the subject that is signed.
fn same_target(payload: &[u8], subject: &Subject) -> Result<(), String> {
    let payload: Payload = serde_json::from_slice(payload).map_err(|error| format!("its payload is malformed: {error}"))?;
    let target = payload.target_artifact;
    if target.digest != subject.digest {
        return Err(format!("it is of {:?}, not of {}", shown(&target.digest), subject.digest));
    }
    if target.size != subject.size {
        return Err(format!("it is of {} bytes, the image's index has {}", target.size, subject.size));
    }
    if target.media_type != subject.media_type {
        return Err(format!("it is of the media type {:?}, the image's index is {:?}", shown(&target.media_type), subject.media_type));
    }
    Ok(())
}

/// Whether the manifest's annotation, if there is one, names the certificates of the envelope.
fn thumbprints(annotation: Option<&str>, chain: &[Vec<u8>]) -> Result<(), String> {
    let Some(annotation) = annotation else { return Ok(()) };
    if annotation.len() > THUMBPRINT_LIMIT {
        return Err(format!("the thumbprints in its manifest have more than {THUMBPRINT_LIMIT} bytes"));
    }
    let named: Vec<String> =
        serde_json::from_str(annotation).map_err(|error| format!("the thumbprints in its manifest are malformed: {error}"))?;
    let same = |(named, der): (&String, &Vec<u8>)| named.eq_ignore_ascii_case(&hex(&Sha256::digest(der)));
    if named.len() == chain.len() && named.iter().zip(chain).all(same) {
        return Ok(());
    }
    Err("the thumbprints in its manifest are not those of its certificates".to_owned())
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the chain leads to a trusted certificate, and the signer is one of those the policy names.
fn authentic(
    statement: &Statement,
    trusted: &[Vec<u8>],
    envelope: &Envelope,
    certificates: &[X509Certificate<'_>],
    signer: &X509Certificate<'_>,
) -> Result<(), String> {
    let (known, kind) = match envelope.attributes.scheme {
        Scheme::X509 => (statement.ca, "ca"),
        Scheme::SigningAuthority(_) => (statement.authority, "signingAuthority"),
    };
    if !known {
        return Err(format!("the policy {:?} names no {kind} trust store, which its signing scheme asks for", shown(&statement.name)));
    }
    if !envelope.chain.iter().any(|der| trusted.contains(der)) {
        let root = certificates.last().map(label).unwrap_or_default();
        return Err(format!("its chain ends in {root}, which is not among the trusted certificates"));
    }
    match &statement.identities {
        Identities::Any => Ok(()),
        Identities::Subjects(subjects) if subjects.iter().any(|identity| identity.matches(signer.subject())) => Ok(()),
        Identities::Subjects(_) => {
            Err(format!("the signer {} is none of the trusted identities of the policy {:?}", label(signer), shown(&statement.name)))
        }
    }
}

/// Whether the signer's own best-by date, if there is one, has not come.
fn unexpired(attributes: &Attributes, now: i64) -> Result<(), String> {
    match attributes.expiry {
        Some(expiry) if now >= expiry => Err(format!("it has expired on {}", time::shown(expiry))),
        _ => Ok(()),
    }
}

/// When the first of the checks that the policy enforces will fail: what is only logged ends nothing.
fn until(statement: &Statement, attributes: &Attributes, certificates: &[X509Certificate<'_>]) -> Option<i64> {
    let enforced = |check| statement.level.action(check) == Action::Enforce;
    let expiry = attributes.expiry.filter(|_| enforced(Check::Expiry));
    // What a signing authority vouches for is past, and stays as it was.
    let aging = attributes.scheme == Scheme::X509 && enforced(Check::AuthenticTimestamp);
    let last = certificates.iter().map(|certificate| certificate.validity().not_after.timestamp()).min().filter(|_| aging);
    expiry.into_iter().chain(last).min()
}

/// Whether the certificates were valid when it was made: as the signing authority says, else now.
fn timely(envelope: &Envelope, certificates: &[X509Certificate<'_>], now: i64) -> Result<(), String> {
    match envelope.attributes.scheme {
        Scheme::SigningAuthority(when) => {
            chain::valid_at(certificates, when).map_err(|reason| format!("{reason}, it was made on {}", time::shown(when)))
        }
        Scheme::X509 if envelope.timestamped => {
            chain::valid_at(certificates, now).map_err(|reason| format!("{reason}; timestamps by authorities are not evaluated here"))
        }
        Scheme::X509 => chain::valid_at(certificates, now),
    }
}
