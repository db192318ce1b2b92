//! Signatures that notation itself makes in a registry, fetched by oras.

use std::path::{Path, PathBuf};
use std::process::Command;

use gadgetry::image::trust::notation::{Signature, Trust};
use gadgetry::image::trust::{Artifact, Kind, Subject};
use serde_json::{Value, json};

use super::bench::{JWS, hex, now, policy, verify};
use super::keys::{Authority, Signer, authority, elliptic, rsa, signer};
use crate::harness::{self, Registry, foreign, layout, tool};

/// A registry with one image in it, and notation with a configuration of its own.
struct Site {
    registry: Registry,
    home: tempfile::TempDir,
    notation: PathBuf,
    oras: PathBuf,
    subject: Subject,
}

impl Site {
    fn new(test: &str) -> Option<Self> {
        let (notation, oras) = (tool(test, "newer-image-tools/usr/bin/notation")?, tool(test, "image-tools/usr/bin/oras")?);
        let registry = Registry::start(harness::Kind::Plain);
        let source = layout("trace_open");
        let index: Value = serde_json::from_slice(&std::fs::read(source.join("index.json")).unwrap()).unwrap();
        let root = &index["manifests"][0];
        let repository = format!("{}/gadgets/trace_open", registry.host);
        let subject = Subject {
            reference: format!("{repository}:1"),
            repository,
            digest: root["digest"].as_str().unwrap().to_owned(),
            size: root["size"].as_u64().unwrap(),
            media_type: root["mediaType"].as_str().unwrap().to_owned(),
        };
        let from = format!("{}@{}", source.display(), subject.digest);
        foreign(Command::new(&oras).args(["cp", "--from-oci-layout", &from, "--to-plain-http", &subject.reference]));
        let home = tempfile::tempdir().unwrap();
        Some(Site { registry, home, notation, oras, subject })
    }

    fn notation(&self, arguments: &[&str]) -> String {
        foreign(Command::new(&self.notation).args(arguments).env("XDG_CONFIG_HOME", self.home.path()).env("HOME", self.home.path()))
    }

    /// Makes a key known to notation and signs the image with it.
    fn sign(&self, key: Option<(&Signer, &str)>, format: &str, more: &[&str]) {
        if let Some((signer, chain)) = key {
            let (key, certificates) = (self.home.path().join("key.pem"), self.home.path().join("chain.pem"));
            std::fs::write(&key, signer.key_pem()).unwrap();
            std::fs::write(&certificates, chain).unwrap();
            let keys = json!({"default": "own", "keys": [{"name": "own", "keyPath": key, "certPath": certificates}]});
            std::fs::create_dir_all(self.home.path().join("notation")).unwrap();
            std::fs::write(self.home.path().join("notation/signingkeys.json"), keys.to_string()).unwrap();
        }
        let target = format!("{}@{}", self.subject.repository, self.subject.digest);
        self.notation(&[&["sign", "--insecure-registry", "--signature-format", format], more, &[&target]].concat());
    }

    /// Its signatures, from a layout that oras has filled.
    fn artifacts(&self) -> Vec<Artifact> {
        let folder = tempfile::tempdir().unwrap();
        let to = format!("{}:1", folder.path().join("layout").display());
        let from = format!("{}@{}", self.subject.repository, self.subject.digest);
        foreign(Command::new(&self.oras).args(["cp", "-r", "--from-plain-http", &from, "--to-oci-layout", &to]));
        signatures(&folder.path().join("layout/blobs/sha256"), &self.subject.digest)
    }
}

fn signatures(blobs: &Path, subject: &str) -> Vec<Artifact> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(blobs).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let Ok(manifest) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if manifest["subject"]["digest"] != subject {
            continue;
        }
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.notary.signature");
        let layer = manifest["layers"][0]["digest"].as_str().unwrap().replace("sha256:", "");
        let digest = format!("sha256:{}", hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
        let layers = vec![std::fs::read(blobs.join(layer)).unwrap()];
        found.push(Artifact { kind: Kind::Notation, digest, manifest: serde_json::from_value(manifest).unwrap(), layers });
    }
    found
}

#[test]
fn what_notation_signs_with_a_test_certificate_is_good_in_both_formats() {
    for format in ["jws", "cose"] {
        let Some(site) = Site::new("what_notation_signs_with_a_test_certificate_is_good_in_both_formats") else { return };
        site.notation(&["cert", "generate-test", "--default", "test.local"]);
        site.sign(None, format, &[]);
        let certificate = std::fs::read_to_string(site.home.path().join("notation/localkeys/test.local.crt")).unwrap();
        let (artifacts, mut policy) = (site.artifacts(), policy());
        assert_eq!(artifacts.len(), 1);
        let trust = |policy: &Value| Trust::new(std::slice::from_ref(&certificate), &policy.to_string()).unwrap();
        let by = verify(trust(&policy), &site.subject, artifacts.clone()).unwrap();
        assert!(by.starts_with("notation certificate") && by.contains("CN=test.local"), "{by}");
        let mut other = site.subject.clone();
        other.digest = other.digest.replace(['a', 'b', 'c'], "d");
        assert!(verify(trust(&policy), &other, artifacts.clone()).expect_err("another image").contains("integrity: it is of"));
        policy["trustPolicies"][0]["trustedIdentities"] = json!(["x509.subject: C=US, ST=WA, O=Notary, CN=test.local"]);
        verify(trust(&policy), &site.subject, artifacts.clone()).unwrap();
        policy["trustPolicies"][0]["registryScopes"] = json!([site.subject.repository]);
        verify(trust(&policy), &site.subject, artifacts.clone()).unwrap();
        let root = Authority::root(authority("root"));
        let stranger = Trust::new(&[root.pem], &policy.to_string()).unwrap();
        assert!(verify(stranger, &site.subject, artifacts).expect_err("nobody knows it").contains("authenticity: its chain ends in"));
    }
}

/// Signs with a chain of three and checks that ours and notation's own verification agree that it is good.
fn chain_is_good(test: &str, keys: Vec<rcgen::KeyPair>) {
    let root = Authority::root(authority("root"));
    let intermediate = root.authority(authority("intermediate"));
    for key in keys {
        let signer = intermediate.signer(&signer(), key);
        for format in ["jws", "cose"] {
            let Some(site) = Site::new(test) else { return };
            let chain = format!("{}{}{}", signer.pem, intermediate.pem, root.pem);
            site.sign(Some((&signer, &chain)), format, &["--expiry", "24h"]);
            let store = site.home.path().join("notation/truststore/x509/ca/acme");
            std::fs::create_dir_all(&store).unwrap();
            std::fs::write(store.join("root.pem"), &root.pem).unwrap();
            std::fs::write(site.home.path().join("notation/trustpolicy.json"), policy().to_string()).unwrap();
            site.notation(&["verify", "--insecure-registry", &format!("{}@{}", site.subject.repository, site.subject.digest)]);
            let trust = Trust::new(std::slice::from_ref(&root.pem), &policy().to_string()).unwrap();
            let artifacts = site.artifacts();
            assert!(verify(trust.clone(), &site.subject, artifacts.clone()).unwrap().contains("CN=signer"));
            let media_type = if format == "jws" { JWS } else { super::bench::COSE };
            let signature = Signature { media_type, envelope: &artifacts[0].layers[0], thumbprints: None };
            let late = trust.verify_at(&site.subject, &signature, now() + 2 * 86_400).map(|_| ()).expect_err("it expires after a day");
            assert!(late.starts_with("expiry: it has expired on"), "{late}");
            drop(site.registry);
        }
    }
}

#[test]
fn what_notation_signs_with_an_rsa_key_of_an_authority_is_good() {
    chain_is_good("what_notation_signs_with_an_rsa_key_of_an_authority_is_good", vec![rsa(2048), rsa(3072), rsa(4096)]);
}

#[test]
fn what_notation_signs_with_an_ec_key_of_an_authority_is_good() {
    let keys = vec![elliptic(), rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()];
    chain_is_good("what_notation_signs_with_an_ec_key_of_an_authority_is_good", keys);
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let Some(site) = Site::new("one_good_signature_among_several_is_enough") else { return };
    let (root, other) = (Authority::root(authority("root")), Authority::root(authority("other")));
    for issuer in [&other, &root, &other] {
        let signer = issuer.signer(&signer(), elliptic());
        site.sign(Some((&signer, &format!("{}{}", signer.pem, issuer.pem))), "cose", &[]);
    }
    let artifacts = site.artifacts();
    assert_eq!(artifacts.len(), 3);
    let trust = |pem: &str| Trust::new(&[pem.to_owned()], &policy().to_string()).unwrap();
    verify(trust(&root.pem), &site.subject, artifacts.clone()).unwrap();
    let refused = verify(trust(&Authority::root(authority("third")).pem), &site.subject, artifacts).expect_err("none is by the third");
    assert_eq!(refused.matches("notation signature sha256:").count(), 3, "{refused}");
}
