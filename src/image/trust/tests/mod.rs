//! A store with one image, and what others put beside it.

mod allowed;
mod any;
mod cosign;
mod find;
mod keys;
mod sign;

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci_spec::image::{Descriptor, MediaType};
use serde_json::{Value, json};

use super::cosign::SigningKey;
use super::{Policy, Signatures, Subject, artifacts};
use crate::image::auth::Secret;
use crate::image::layout::name_of;
use crate::image::pack::digest_of;
use crate::image::reference::Reference;
use crate::image::store::{SUBJECT, Store, set_name};

const NAME: &str = "registry.test/team/gadget:1";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// What cosign 3.1.1 says of a signature.
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A store with an image.
pub(super) struct Shelf {
    _folder: tempfile::TempDir,
    store: Store,
    image: Descriptor,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("store"));
        let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(), "manifests": []});
        let image = put(&store, MediaType::ImageIndex.as_ref(), &index, Some(NAME), None);
        Shelf { _folder: folder, store, image }
    }

    fn digest(&self) -> String {
        self.image.digest().to_string()
    }

    fn hex(&self) -> String {
        self.digest().trim_start_matches("sha256:").to_owned()
    }

    fn found(&self) -> Signatures {
        artifacts(&self.store.files(), &self.store.roots().unwrap(), &reference(NAME), &self.digest()).unwrap()
    }

    fn subject(&self) -> Subject {
        Subject::of(&reference(NAME), &self.image)
    }

    /// What verification with the keys says: by what, or the whole message.
    fn verify(&self, keys: &[&SigningKey]) -> Result<String, String> {
        policy(keys).verify(&self.subject(), &self.found()).map(|verified| verified.by).map_err(|error| error.to_string())
    }

    /// A layer with that content.
    fn layer(&self, media_type: &str, content: &[u8]) -> Value {
        let staging = self.store.stage().unwrap();
        let digest = staging.put(content).unwrap();
        staging.commit(Vec::new()).unwrap();
        json!({"mediaType": media_type, "size": content.len(), "digest": digest})
    }

    /// A layer of cosign's old forms.
    fn signed(&self, payload: &str, signature: &[u8]) -> Value {
        let mut layer = self.layer(SIMPLE, payload.as_bytes());
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": STANDARD.encode(signature)});
        layer
    }

    /// Puts a manifest with those layers under cosign's tag.
    fn tag(&self, layers: &[Value]) {
        let name = format!("registry.test/team/gadget:sha256-{}.sig", self.hex());
        put(&self.store, MANIFEST, &self.manifest(layers), Some(&name), None);
    }

    fn manifest(&self, layers: &[Value]) -> Value {
        let config = self.layer("application/vnd.oci.image.config.v1+json", b"{}");
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    }

    /// A manifest of that type about the image.
    fn referrer(&self, artifact_type: &str, layers: &[Value]) -> Value {
        let mut manifest = self.manifest(layers);
        manifest["artifactType"] = json!(artifact_type);
        manifest["subject"] = json!({"mediaType": MediaType::ImageIndex.to_string(), "size": self.image.size(), "digest": self.digest()});
        manifest
    }

    /// A bundle around a statement.
    fn bundle(&self, statement: &str, key: &SigningKey) -> Value {
        let kind = "application/vnd.in-toto+json";
        let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": ""}},
            "dsseEnvelope": {
                "payload": STANDARD.encode(statement), "payloadType": kind, "signatures": [{"sig": STANDARD.encode(key.sign(message.as_bytes()).unwrap())}],
            },
        })
    }

    /// Puts a bundle beside the image, as a pull does.
    fn put_bundle(&self, bundle: &str) {
        let layer = self.layer(BUNDLE, bundle.as_bytes());
        put(&self.store, MANIFEST, &self.referrer(BUNDLE, &[layer]), None, Some(&self.digest()));
    }
}

/// Puts a root into the store by hand: stores refuse what is damaged, others leave it there.
fn put(store: &Store, media_type: &str, document: &Value, name: Option<&str>, subject: Option<&str>) -> Descriptor {
    store.stage().unwrap().put(b"").unwrap();
    let text = document.to_string();
    let digest = digest_of(text.as_bytes());
    std::fs::write(store.folder().join("blobs").join(digest.replacen(':', "/", 1)), &text).unwrap();
    let mut root = Descriptor::new(MediaType::from(media_type), text.len() as u64, digest.parse::<oci_spec::image::Digest>().unwrap());
    if let Some(name) = name {
        set_name(&mut root, name);
    }
    if let Some(subject) = subject {
        root.set_annotations(Some(HashMap::from([(SUBJECT.to_owned(), subject.to_owned())])));
    }
    let mut roots = store.roots().unwrap();
    roots.retain(|known| name.is_none() || name_of(known) != name);
    roots.push(root.clone());
    let index = json!({"schemaVersion": 2, "manifests": roots});
    std::fs::write(store.folder().join("index.json"), index.to_string()).unwrap();
    root
}

fn payload(digest: &str) -> String {
    json!({
        "critical": {
            "identity": {"docker-reference": "registry.test/team/gadget"}, "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string()
}

fn statement(hex: &str) -> String {
    let subject = json!([{"digest": {"sha256": hex}}]);
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": SIGNATURE, "predicate": {}}).to_string()
}

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

/// A key of its own.
fn key() -> SigningKey {
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &ring::rand::SystemRandom::new()).unwrap();
    SigningKey::of_pkcs8(der.as_ref()).unwrap()
}

fn policy(keys: &[&SigningKey]) -> Policy {
    Policy { keys: keys.iter().map(|key| key.public().clone()).collect(), ..Policy::default() }
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}
