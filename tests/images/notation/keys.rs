//! Certificates and keys made on the spot: authorities, and signers that sign as JWS and COSE ask.

use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, RsaKeyPair};

/// An authority that issues certificates.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pub der: Vec<u8>,
    pub pem: String,
}

/// A key that signs, with its certificate.
pub struct Signer {
    key: KeyPair,
    pub der: Vec<u8>,
    pub pem: String,
}

pub fn elliptic() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

/// An RSA key by openssl, as rcgen makes none.
pub fn rsa(bits: u32) -> KeyPair {
    let made =
        Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")]).output().unwrap();
    assert!(made.status.success());
    KeyPair::from_pem_and_sign_algo(&String::from_utf8(made.stdout).unwrap(), &rcgen::PKCS_RSA_SHA256).unwrap()
}

/// Certificates (DER) that sign themselves with keys that rcgen does not make, by openssl.
pub fn foreign(key: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let usage = ["-addext", "keyUsage=critical,digitalSignature", "-addext", "basicConstraints=critical,CA:FALSE"];
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-subj", "/CN=foreign", "-outform", "DER", "-keyout"]).arg(folder.path().join("key"));
    let made = command.args(usage).args(key).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in [(DnType::CountryName, "US"), (DnType::StateOrProvinceName, "WA"), (DnType::OrganizationName, "Acme, Inc.")] {
        params.distinguished_name.push(kind, value);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Parameters of an authority, as the specification wants them.
pub fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Parameters of a signer, as the specification wants them.
pub fn signer() -> CertificateParams {
    let mut params = named("signer");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params
}

impl Authority {
    pub fn root(params: CertificateParams) -> Self {
        let key = elliptic();
        let certificate = params.self_signed(&key).unwrap();
        Authority { params, key, der: certificate.der().to_vec(), pem: certificate.pem() }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    pub fn authority(&self, params: CertificateParams) -> Self {
        let key = elliptic();
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        Authority { params, key, der: certificate.der().to_vec(), pem: certificate.pem() }
    }

    pub fn signer(&self, params: &CertificateParams, key: KeyPair) -> Signer {
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        Signer { key, der: certificate.der().to_vec(), pem: certificate.pem() }
    }
}

impl Signer {
    pub fn alone(params: &CertificateParams) -> Self {
        let key = elliptic();
        let certificate = params.self_signed(&key).unwrap();
        Signer { key, der: certificate.der().to_vec(), pem: certificate.pem() }
    }

    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A signature by the algorithm with the name in JWS headers; nonsense for those that are not to be used.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        if ["none", "HS256", "RS256", "ES512"].contains(&algorithm) {
            return vec![1; 64];
        }
        let (der, random) = (self.key.serialize_der(), SystemRandom::new());
        if algorithm.starts_with("ES") {
            let kind = if algorithm == "ES384" {
                &signature::ECDSA_P384_SHA384_FIXED_SIGNING
            } else {
                &signature::ECDSA_P256_SHA256_FIXED_SIGNING
            };
            let pair = EcdsaKeyPair::from_pkcs8(kind, &der, &random).unwrap();
            return pair.sign(&random, message).unwrap().as_ref().to_vec();
        }
        let kind: &dyn signature::RsaEncoding = match algorithm {
            "PS384" => &signature::RSA_PSS_SHA384,
            "PS512" => &signature::RSA_PSS_SHA512,
            _ => &signature::RSA_PSS_SHA256,
        };
        let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
        let mut made = vec![0; pair.public().modulus_len()];
        pair.sign(kind, &random, message, &mut made).unwrap();
        made
    }
}
