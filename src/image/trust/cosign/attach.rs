//! Signs an image that is in a store: what is signed and where it is put are cosign's ways, so that its `verify` finds it after a push.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci_spec::image::{Descriptor, ImageManifest, ImageManifestBuilder, MediaType};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::documents::{self, Envelope};
use super::{SIGNATURE, SigningKey};
use crate::image::ImageError;
use crate::image::layout::DOCUMENT_LIMIT;
use crate::image::reference::Reference;
use crate::image::store::{SUBJECT, Staging, Store, set_name};
use crate::image::stores::is_meant;
use crate::image::trust::error::SignError;
use crate::image::trust::material::{BUNDLE_V03, LAYER_COUNT, LAYER_SIZE, SIMPLE_SIGNING, legacy_tag};

/// Type of a config that says nothing.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// How a signature is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Under the tag `sha256-<hex>.sig`, beside those that are there: what cosign 1 and 2 write and all versions verify.
    Tag,
    /// As a sigstore bundle that refers to the image: what cosign 3 writes.
    Bundle,
}

/// A signature that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Digest of the image.
    pub digest: String,
    /// Digest of the manifest with the signature.
    pub signature: String,
}

/// Signs the image of that name. One that the key has signed already in this form is left as it is.
///
/// # Errors
/// When the store has no such image, or cannot be written.
pub fn sign(store: &Store, reference: &Reference, key: &SigningKey, form: Form) -> Result<Signed, SignError> {
    let image = image(store, reference)?;
    match form {
        Form::Tag => under_tag(store, reference, &image, key),
        Form::Bundle => as_bundle(store, &image, key),
    }
}

/// The root of an image: by name, or by digest under whatever name of the repository.
fn image(store: &Store, reference: &Reference) -> Result<Descriptor, SignError> {
    let roots = store.roots()?;
    let wanted = reference.to_string();
    let found = roots.iter().find(|root| is_meant(root, reference)).ok_or_else(|| SignError::NotStored { reference: wanted.clone() })?;
    if *found.media_type() != MediaType::ImageIndex {
        return Err(ImageError::NotAnIndex { reference: wanted, media_type: found.media_type().to_string() }.into());
    }
    Ok(found.clone())
}

fn under_tag(store: &Store, reference: &Reference, image: &Descriptor, key: &SigningKey) -> Result<Signed, SignError> {
    let digest = image.digest().to_string();
    let repository = format!("{}/{}", reference.domain, reference.repository);
    let name = format!("{repository}:{}", legacy_tag(&digest));
    // Written as cosign writes it, byte for byte: it knows its own payload again and adds no second signature then.
    let payload = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{repository}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{}"}},"optional":null}}"#,
        documents::SIMPLE
    );
    let known = store.named(&name)?;
    let mut layers = known.as_ref().map(|root| layers(store, root)).transpose()?.unwrap_or_default();
    if let Some(known) = known.filter(|_| layers.iter().any(|layer| has_signed(store, layer, &digest, key))) {
        return Ok(Signed { digest, signature: known.digest().to_string() });
    }
    if layers.len() >= LAYER_COUNT {
        return Err(SignError::TooMany { reference: reference.to_string(), count: layers.len() });
    }
    let staging = store.stage()?;
    let mut layer = put(&staging, SIMPLE_SIGNING, payload.as_bytes())?;
    layer.set_annotations(Some(HashMap::from([(SIGNATURE.to_owned(), STANDARD.encode(key.sign(payload.as_bytes())?))])));
    layers.push(layer);
    let config = put(&staging, MediaType::ImageConfig.as_ref(), config(&layers).as_bytes())?;
    let manifest = ImageManifestBuilder::default().schema_version(2u32).media_type(MediaType::ImageManifest).config(config).layers(layers);
    let manifest = manifest.build().and_then(|manifest| manifest.to_string()).map_err(malformed)?;
    let mut root = put(&staging, MediaType::ImageManifest.as_ref(), manifest.as_bytes())?;
    set_name(&mut root, &name);
    let signature = root.digest().to_string();
    staging.commit(vec![root])?;
    Ok(Signed { digest, signature })
}

fn layers(store: &Store, root: &Descriptor) -> Result<Vec<Descriptor>, SignError> {
    let bytes = store.files().blob(root, "manifest of signatures", DOCUMENT_LIMIT)?;
    Ok(ImageManifest::from_reader(&bytes[..]).map_err(malformed)?.layers().clone())
}

fn has_signed(store: &Store, layer: &Descriptor, digest: &str, key: &SigningKey) -> bool {
    let signature = layer.annotations().as_ref().and_then(|all| all.get(SIGNATURE)).and_then(|text| STANDARD.decode(text).ok());
    let payload = store.files().blob(layer, "signed payload", LAYER_SIZE);
    let (Some(signature), Ok(payload)) = (signature, payload) else { return false };
    key.public().verifies(&payload, &signature) && documents::simple(&payload).is_ok_and(|signed| signed == digest)
}

/// The config that cosign writes: an image of no architecture that consists of the layers.
fn config(layers: &[Descriptor]) -> String {
    let (never, digests): (_, Vec<_>) = ("0001-01-01T00:00:00Z", layers.iter().map(|layer| layer.digest().to_string()).collect());
    let history: Vec<_> = layers.iter().map(|_| json!({"created": never})).collect();
    let rootfs = json!({"type": "layers", "diff_ids": digests});
    json!({"architecture": "", "created": never, "history": history, "os": "", "rootfs": rootfs, "config": {}}).to_string()
}

fn as_bundle(store: &Store, image: &Descriptor, key: &SigningKey) -> Result<Signed, SignError> {
    let digest = image.digest().to_string();
    let bundle = bundle(&digest, key)?;
    let staging = store.stage()?;
    let config = put(&staging, EMPTY, b"{}")?;
    let layer = put(&staging, BUNDLE_V03, bundle.as_bytes())?;
    // The subject is named without what `index.json` says of it.
    let mut about = image.clone();
    about.set_annotations(None);
    let annotations = [("dev.sigstore.bundle.content", "dsse-envelope"), ("dev.sigstore.bundle.predicateType", documents::SIGNATURE)];
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .artifact_type(MediaType::from(BUNDLE_V03))
        .config(config)
        .layers(vec![layer])
        .subject(about)
        .annotations(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect::<HashMap<_, _>>());
    let manifest = manifest.build().and_then(|manifest| manifest.to_string()).map_err(malformed)?;
    let mut root = put(&staging, MediaType::ImageManifest.as_ref(), manifest.as_bytes())?;
    root.set_artifact_type(Some(MediaType::from(BUNDLE_V03)));
    root.set_annotations(Some(HashMap::from([(SUBJECT.to_owned(), digest.clone())])));
    let signature = root.digest().to_string();
    staging.commit(vec![root])?;
    Ok(Signed { digest, signature })
}

/// A bundle as cosign 3 writes it: a DSSE envelope around an in-toto statement about the image.
fn bundle(digest: &str, key: &SigningKey) -> Result<String, SignError> {
    let subject = json!({"digest": {"sha256": digest.trim_start_matches("sha256:")}, "annotations": {}});
    let statement =
        json!({"_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": documents::SIGNATURE, "predicate": {}});
    let payload = statement.to_string().into_bytes();
    let envelope = Envelope { payload, payload_type: documents::STATEMENT.to_owned(), signature: Vec::new() };
    let signature = json!({"sig": STANDARD.encode(key.sign(&envelope.encoding())?)});
    let bundle = json!({
        "mediaType": BUNDLE_V03,
        "verificationMaterial": {"publicKey": {"hint": STANDARD.encode(Sha256::digest(key.public().der()))}},
        "dsseEnvelope": {"payload": STANDARD.encode(&envelope.payload), "payloadType": envelope.payload_type, "signatures": [signature]},
    });
    Ok(bundle.to_string())
}

fn put(staging: &Staging, media_type: &str, bytes: &[u8]) -> Result<Descriptor, SignError> {
    let digest = staging.put(bytes)?;
    let digest = digest.parse::<oci_spec::image::Digest>().map_err(malformed)?;
    Ok(Descriptor::new(MediaType::from(media_type), bytes.len() as u64, digest))
}

fn malformed(source: oci_spec::OciSpecError) -> SignError {
    ImageError::Document { what: "the manifest of signatures".to_owned(), source }.into()
}
