//! Signature algorithms: which one a key stands for, by what names the envelopes call it, and whether a signature is good.
//! Contract: "signature-specification", section "Algorithm Selection".

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION};
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::refusal::shown;

/// What can be verified. P-521 (ES512) is in the specification, but not in the cryptography this program is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
}

const NO_P521: &str = "signatures with keys on the curve P-521 (ES512) cannot be verified here";

impl Algorithm {
    /// By the name in a JWS header (RFC 7518 section 3.1).
    pub(super) fn from_jws(name: &str) -> Result<Self, String> {
        match name {
            "PS256" => Ok(Algorithm::Ps256),
            "PS384" => Ok(Algorithm::Ps384),
            "PS512" => Ok(Algorithm::Ps512),
            "ES256" => Ok(Algorithm::Es256),
            "ES384" => Ok(Algorithm::Es384),
            "ES512" => Err(NO_P521.to_owned()),
            other => Err(format!("the algorithm {:?} is not one of the specification's", shown(other))),
        }
    }

    /// By the number in a COSE header (IANA "COSE Algorithms").
    pub(super) fn from_cose(number: coset::iana::Algorithm) -> Result<Self, String> {
        use coset::iana::Algorithm as Cose;
        match number {
            Cose::PS256 => Ok(Algorithm::Ps256),
            Cose::PS384 => Ok(Algorithm::Ps384),
            Cose::PS512 => Ok(Algorithm::Ps512),
            Cose::ES256 => Ok(Algorithm::Es256),
            Cose::ES384 => Ok(Algorithm::Es384),
            Cose::ES512 => Err(NO_P521.to_owned()),
            other => Err(format!("the algorithm {other:?} is not one of the specification's")),
        }
    }

    /// The only one that signatures with a key may use.
    pub(super) fn of(key: &SubjectPublicKeyInfo<'_>) -> Result<Self, String> {
        let kind = &key.algorithm.algorithm;
        if *kind == OID_PKCS1_RSAENCRYPTION {
            return match key.parsed() {
                Ok(PublicKey::RSA(rsa)) => of_rsa(&rsa),
                _ => Err("its RSA key is malformed".to_owned()),
            };
        }
        if *kind != OID_KEY_TYPE_EC_PUBLIC_KEY {
            return Err("its key is neither RSA nor on an elliptic curve".to_owned());
        }
        match key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok()) {
            Some(curve) if curve == OID_EC_P256 => Ok(Algorithm::Es256),
            Some(curve) if curve == OID_NIST_EC_P384 => Ok(Algorithm::Es384),
            Some(curve) if curve == OID_NIST_EC_P521 => Err(NO_P521.to_owned()),
            _ => Err("its key is on a curve other than P-256 and P-384".to_owned()),
        }
    }

    /// Whether a signature of a message is good. Signatures on curves are the two numbers one after the other, as in JWS and COSE.
    pub(super) fn verify(self, key: &SubjectPublicKeyInfo<'_>, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self {
            Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        };
        UnparsedPublicKey::new(algorithm, &key.subject_public_key.data).verify(message, signature).is_ok()
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
        })
    }
}

fn of_rsa(key: &RSAPublicKey<'_>) -> Result<Algorithm, String> {
    let bytes = key.modulus.iter().skip_while(|byte| **byte == 0).count();
    match bytes * 8 {
        2048 => Ok(Algorithm::Ps256),
        3072 => Ok(Algorithm::Ps384),
        4096 => Ok(Algorithm::Ps512),
        bits => Err(format!("its RSA key has {bits} bits, only 2048, 3072 and 4096 are allowed")),
    }
}
