//! Public keys: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), and what they say about a signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{der, pem};
use crate::image::pack::digest_of;
use crate::image::trust::error::TrustError;

/// The key of the Inspektor Gadget project (`gadget-abi.md` section 1.9).
const PROJECT: &str =
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoDOC0gYSxZTopenGmX3ZFvQ1DSfhIr4EKRt5jC+mXaJ7c7J+oREskYMn/SfZdRHNSOjLTZUMDm60zpXGhkFecg==";
/// Bits an RSA key may have: fewer are no longer safe, more are not verified by `ring`.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key that may have signed: ECDSA (P-256, P-384), RSA or Ed25519.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: Vec<u8>,
    bits: Vec<u8>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    P256,
    P384,
    Rsa,
    Ed25519,
}

impl Kind {
    /// What signatures of such a key may look like. cosign hashes with SHA-256 unless told otherwise.
    fn algorithms(self) -> Vec<&'static dyn VerificationAlgorithm> {
        match self {
            Self::P256 => vec![&signature::ECDSA_P256_SHA256_ASN1],
            Self::P384 => vec![&signature::ECDSA_P384_SHA256_ASN1, &signature::ECDSA_P384_SHA384_ASN1],
            Self::Rsa => vec![&signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PSS_2048_8192_SHA256],
            Self::Ed25519 => vec![&signature::ED25519],
        }
    }
}

impl PublicKey {
    /// From PEM (`PUBLIC KEY`).
    ///
    /// # Errors
    /// When it is no key that can be used.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let unusable = |reason| TrustError::Material { what: "a public key".to_owned(), reason };
        let (label, der) = pem::parse(text).map_err(unusable)?;
        if label != "PUBLIC KEY" {
            let label: String = label.chars().take(40).collect();
            return Err(unusable(format!("it is a {label:?}, not a \"PUBLIC KEY\"")));
        }
        Self::of_der(der).map_err(unusable)
    }

    /// From DER.
    ///
    /// # Errors
    /// Why it cannot be used, for people.
    pub fn of_der(der: Vec<u8>) -> Result<Self, String> {
        let malformed = |_| "it is not a SubjectPublicKeyInfo".to_owned();
        let (rest, info) = SubjectPublicKeyInfo::from_der(&der).map_err(malformed)?;
        if !rest.is_empty() {
            return Err("something follows the key".to_owned());
        }
        let kind = kind_of(&info)?;
        let bits = info.subject_public_key.data.to_vec();
        Ok(PublicKey { bits, kind, der })
    }

    /// The key of the Inspektor Gadget project, with which its gadgets are signed.
    pub fn of_project() -> Option<Self> {
        STANDARD.decode(PROJECT).ok().and_then(|der| Self::of_der(der).ok())
    }

    /// From the parts that a private key gives.
    pub(super) fn of_pair(kind: Kind, bits: &[u8]) -> Result<Self, String> {
        let algorithm = match kind {
            Kind::P256 => der::sequence(&[der::EC_KEY, der::P256]),
            Kind::P384 => return Err("keys on the curve P-384 are not signed with: cosign would not take the signature".to_owned()),
            Kind::Rsa => der::sequence(&[der::RSA, der::NULL]),
            Kind::Ed25519 => der::sequence(&[der::ED25519]),
        };
        Self::of_der(der::sequence(&[&algorithm, &der::bits(bits)]))
    }

    /// As PEM.
    pub fn to_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.der)
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// `sha256:...` of the DER: how messages name it.
    pub fn fingerprint(&self) -> String {
        digest_of(&self.der)
    }

    /// Whether it is an Ed25519 key.
    pub(super) fn is_ed25519(&self) -> bool {
        self.kind == Kind::Ed25519
    }

    /// Whether it has signed the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let good = |algorithm| UnparsedPublicKey::new(algorithm, &self.bits).verify(message, signature).is_ok();
        self.kind.algorithms().into_iter().any(good)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "PublicKey({:?} {})", self.kind, self.fingerprint())
    }
}

fn kind_of(info: &SubjectPublicKeyInfo<'_>) -> Result<Kind, String> {
    let algorithm = info.algorithm.algorithm.to_id_string();
    let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    let data = info.subject_public_key.data.as_ref();
    match (algorithm.as_str(), curve.as_deref()) {
        ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => point(data, 65).map(|()| Kind::P256),
        ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => point(data, 97).map(|()| Kind::P384),
        ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => Err("the curve P-521 is not supported (P-256 and P-384 are)".to_owned()),
        ("1.2.840.10045.2.1", _) => Err("its elliptic curve is not supported (P-256 and P-384 are)".to_owned()),
        ("1.2.840.113549.1.1.1", _) => match info.parsed() {
            Ok(Parsed::RSA(key)) if RSA_BITS.contains(&key.key_size()) => Ok(Kind::Rsa),
            Ok(Parsed::RSA(key)) => Err(format!("RSA keys of {} bits are not supported (2048 to 8192 are)", key.key_size())),
            _ => Err("its RSA key is malformed".to_owned()),
        },
        ("1.3.101.112", _) if data.len() == 32 => Ok(Kind::Ed25519),
        ("1.3.101.112", _) => Err("its Ed25519 key has not 32 bytes".to_owned()),
        (other, _) => Err(format!("keys of the type {other} are not supported (ECDSA, RSA and Ed25519 are)")),
    }
}

/// An uncompressed point with so many bytes (SEC 1 section 2.3.3).
fn point(data: &[u8], length: usize) -> Result<(), String> {
    let good = data.len() == length && data.first() == Some(&4);
    if good { Ok(()) } else { Err("its point is not an uncompressed one of its curve".to_owned()) }
}
