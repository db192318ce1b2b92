//! Keys that sign: cosign's encrypted files, PKCS#8 and SEC 1.

use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaPair;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};

use super::key::Kind;
use super::{EncryptedKey, PublicKey, der, pem};
use crate::image::auth::Secret;
use crate::image::trust::error::TrustError;

/// What cosign writes, and what it wrote before.
const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// A private key.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaPair>),
}

impl SigningKey {
    /// Whether a password is needed to use that file.
    pub fn is_encrypted(text: &str) -> bool {
        pem::parse(text).is_ok_and(|(label, _)| LABELS.contains(&label))
    }

    /// From PEM: a file of `cosign generate-key-pair` and its password, PKCS#8 (`PRIVATE KEY`), or SEC 1 (`EC PRIVATE KEY`).
    ///
    /// # Errors
    /// When it is no key that can be used, or the password is wrong.
    pub fn parse(text: &str, password: &Secret) -> Result<Self, TrustError> {
        let unusable = |reason| TrustError::Material { what: "the private key".to_owned(), reason };
        let (label, content) = pem::parse(text).map_err(unusable)?;
        let pkcs8 = match label {
            label if LABELS.contains(&label) => EncryptedKey::parse(&content).and_then(|key| key.open(password)).map_err(unusable)?,
            "PRIVATE KEY" => content,
            "EC PRIVATE KEY" => der::sequence(&[der::ZERO, &der::sequence(&[der::EC_KEY, der::P256]), &der::octets(&content)]),
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(unusable(format!("it is a {other:?}; keys of cosign, PKCS#8 and SEC 1 can be used")));
            }
        };
        Self::of_pkcs8(&pkcs8).map_err(unusable)
    }

    /// From PKCS#8, DER: ECDSA P-256, Ed25519 or RSA.
    ///
    /// # Errors
    /// Why it cannot be used, for people.
    pub fn of_pkcs8(der: &[u8]) -> Result<Self, String> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
            let public = PublicKey::of_pair(Kind::P256, pair.public_key().as_ref())?;
            return Ok(SigningKey { pair: Pair::P256(pair), public });
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let public = PublicKey::of_pair(Kind::Ed25519, pair.public_key().as_ref())?;
            return Ok(SigningKey { pair: Pair::Ed25519(pair), public });
        }
        let refused = |error| format!("it is neither an ECDSA key on P-256 nor Ed25519 nor RSA of 2048 to 4096 bits ({error})");
        let pair = RsaPair::from_pkcs8(der).map_err(refused)?;
        let public = PublicKey::of_pair(Kind::Rsa, pair.public().as_ref())?;
        Ok(SigningKey { pair: Pair::Rsa(Box::new(pair)), public })
    }

    /// Makes a new one (ECDSA P-256): the file for the password, and the key.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn generate(password: &Secret) -> Result<(String, Self), TrustError> {
        let failed = |reason| TrustError::Material { what: "a new private key".to_owned(), reason };
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(|_| failed("there are no random numbers".to_owned()))?;
        let locked = EncryptedKey::lock(der.as_ref(), password, &random).map_err(failed)?;
        Ok((pem::write(LABELS[0], &locked), Self::of_pkcs8(der.as_ref()).map_err(failed)?))
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs as cosign does with such a key: SHA-256, ECDSA in ASN.1, RSA as in PKCS#1 v1.5.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        let failed = |_| TrustError::Material { what: "the private key".to_owned(), reason: "signing failed".to_owned() };
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()).map_err(failed),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKey({:?})", self.public)
    }
}
