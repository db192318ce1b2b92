//! What is told of objects and modules made for it: whole ones, poor ones, broken ones.

mod mermaid;
mod object;
mod sources;
mod wasm;

use std::collections::BTreeMap;

use super::{ExtraInfo, extra_info};
use crate::image::GadgetImage;

/// What is told of an image with these layers.
fn told(ebpf: Option<Vec<u8>>, wasm: Option<Vec<u8>>) -> ExtraInfo {
    let image = GadgetImage { metadata: b"name: x\n".to_vec(), ebpf, wasm, ..GadgetImage::default() };
    extra_info(&image).unwrap()
}

fn text(info: &ExtraInfo, key: &str) -> String {
    String::from_utf8(info.get(key).unwrap().content.clone()).unwrap()
}

fn json(info: &ExtraInfo, key: &str) -> serde_json::Value {
    serde_json::from_slice(&info.get(key).unwrap().content).unwrap()
}

/// What was no image has no manifest, and says nothing of one; keys of layers that are not there are not there either.
#[test]
fn keys_of_what_is_missing_are_missing() {
    let info = told(None, None);
    assert_eq!(info.entries.keys().collect::<Vec<_>>(), ["oci.metadata"]);
    assert_eq!(text(&info, "oci.metadata"), "name: x\n");
}

/// An image tells its manifest, its digests, its name, and when it was made.
#[test]
fn images_tell_what_they_are() {
    let manifest = br#"{"config":{"digest":"sha256:cc"},"layers":[]}"#.to_vec();
    let created = ("org.opencontainers.image.created".to_owned(), "2026-01-02T03:04:05Z".to_owned());
    let reference = "ghcr.io/inspektor-gadget/gadget/x:v1".to_owned();
    let annotations = BTreeMap::from([created]);
    let image = GadgetImage { reference, digest: "sha256:ii".to_owned(), manifest, annotations, ..GadgetImage::default() };
    let info = extra_info(&image).unwrap();
    assert_eq!(json(&info, "oci.manifest")["config"]["digest"], "sha256:cc");
    let told = ["oci.digest", "oci.image.digest", "oci.repository", "oci.tag", "oci.created"].map(|key| text(&info, key));
    assert_eq!(told, ["sha256:cc", "sha256:ii", "ghcr.io/inspektor-gadget/gadget/x", "v1", "2026-01-02T03:04:05Z"]);
    assert!(extra_info(&GadgetImage { manifest: b"{".to_vec(), ..GadgetImage::default() }).is_err());
}

/// A key that is not there is answered with the nearest, and with all there are.
#[test]
fn unknown_keys_are_answered_with_those_there_are() {
    let error = told(None, None).get("oci.metadat").unwrap_err();
    assert_eq!(error.to_string(), "the image has no extra info \"oci.metadat\", did you mean \"oci.metadata\"?; there is oci.metadata");
}
