//! Tests of the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod collect;
mod hostile;
mod search;
mod staged;

use std::collections::BTreeMap;
use std::path::Path;

use super::listing::Listing;
use super::*;
use crate::image::layout::name_of;
use crate::image::pack::{self, Recipe};

/// A full name.
fn full(name: &str) -> String {
    format!("ghcr.io/inspektor-gadget/gadget/{name}:latest")
}

fn packed(name: &str, object: &[u8]) -> pack::Files {
    let recipe = Recipe {
        reference: name,
        metadata: b"name: toy\n",
        metadata_path: Path::new("gadget.yaml"),
        objects: &BTreeMap::from([("amd64".to_owned(), object.to_vec()), ("arm64".to_owned(), [object, b"arm"].concat())]),
        wasm: None,
        version: "1.0",
        builder: "",
        created: 0,
    };
    pack::pack(&recipe).unwrap()
}

fn root_of(files: &pack::Files) -> Descriptor {
    Listing::of(files["index.json"].clone()).all().unwrap().remove(0)
}

fn stage(staging: &Staging, files: &pack::Files) {
    files.iter().filter(|(path, _)| path.starts_with("blobs/")).for_each(|(_, bytes)| assert!(staging.put(bytes).is_ok()));
}

fn add(store: &Store, name: &str, object: &[u8]) -> Descriptor {
    let files = packed(name, object);
    let staging = store.stage().unwrap();
    stage(&staging, &files);
    staging.commit(vec![root_of(&files)]).unwrap();
    root_of(&files)
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("data/oci-store"));
    (dir, store)
}

fn blobs(store: &Store) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(store.folder.join("blobs/sha256")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<_> = store.roots().unwrap().iter().filter_map(name_of).map(str::to_owned).collect();
    names.sort();
    names
}

/// Adds a manifest with one layer that says something about `subject`: by its own member, by the annotation of its root, by its name.
fn sign(store: &Store, subject: &Descriptor, member: bool, annotation: bool, name: Option<&str>, layer: &[u8]) -> Descriptor {
    let staging = store.stage().unwrap();
    let descriptor = |kind: &str, bytes: &[u8]| {
        let digest = staging.put(bytes).unwrap();
        serde_json::json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let mut manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor("application/vnd.dev.cosign.simplesigning.v1+json", layer)],
    });
    if member {
        manifest["subject"] = serde_json::to_value(subject).unwrap();
    }
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let mut root = descriptor("application/vnd.oci.image.manifest.v1+json", &bytes);
    if annotation {
        root["annotations"] = serde_json::json!({ SUBJECT: subject.digest().to_string() });
    }
    let mut root: Descriptor = serde_json::from_value(root).unwrap();
    if let Some(name) = name {
        set_name(&mut root, name);
    }
    staging.commit(vec![root.clone()]).unwrap();
    root
}

/// The three ways to say what a signature is about, all of them stored.
fn sign_in_every_way(store: &Store, image: &Descriptor, salt: &str) -> Vec<Descriptor> {
    let tag = format!("ghcr.io/inspektor-gadget/gadget/any:sha256-{}.sig", image.digest().digest());
    vec![
        sign(store, image, true, false, None, format!("member {salt}").as_bytes()),
        sign(store, image, false, true, None, format!("annotation {salt}").as_bytes()),
        sign(store, image, false, false, Some(&tag), format!("name {salt}").as_bytes()),
    ]
}

/// What was stored is found by its name and its digest, and a new image takes the name from the old one.
#[test]
fn what_is_stored_is_found() {
    let (_dir, store) = store();
    assert_eq!(store.roots().unwrap(), []);
    let (one, two) = (add(&store, &full("one"), b"1"), add(&store, &full("two"), b"2"));
    assert_eq!(store.named(&full("two")).unwrap().unwrap().digest(), two.digest());
    assert_eq!(store.named(&full("three")).unwrap(), None);
    assert_eq!(store.by_digest(one.digest().as_ref()).unwrap().unwrap().digest(), one.digest());
    let parts = store.files().parts(&store.named(&full("one")).unwrap().unwrap(), "one", "amd64").unwrap();
    assert_eq!(parts.ebpf.as_deref(), Some(&b"1"[..]));
    let newer = add(&store, &full("one"), b"newer");
    assert_eq!(names(&store), [full("one"), full("two")]);
    assert_eq!(store.named(&full("one")).unwrap().unwrap().digest(), newer.digest());
}

/// Names are completed, digests may be cut short, what is not there is guessed at, and what means several images says so.
#[test]
fn images_are_meant_in_several_ways() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"1");
    let hex = one.digest().digest();
    let forms =
        ["one", "one:latest", &full("one"), &format!("sha256:{hex}"), &format!("sha256:{}", &hex[..12]), &format!("one@sha256:{hex}")];
    for form in forms {
        assert_eq!(store.resolve(form).unwrap().digest(), one.digest(), "{form}");
    }
    // Another tool's name, that is no reference.
    let mut odd = one.clone();
    set_name(&mut odd, "Some Name");
    store.stage().unwrap().commit(vec![odd]).unwrap();
    assert_eq!(store.resolve("Some Name").unwrap().digest(), one.digest());
    let error = store.resolve("onne").unwrap_err().to_string();
    assert!(error.contains("did you mean \"one\"?"), "{error}");
    assert!(matches!(store.resolve(&format!("two@sha256:{hex}")), Err(ImageError::NotStored { .. })));
    (0..40).for_each(|n| drop(add(&store, &full(&format!("n{n}")), &[n])));
    assert!(matches!(store.resolve("sha256:"), Err(ImageError::Several { .. })));
    assert!(matches!(store.resolve("sha256:zz"), Err(ImageError::Reference { .. } | ImageError::NotStored { .. })));
}

/// A further name leads to the same image; a digest will do to name it.
#[test]
fn an_image_gets_further_names() {
    let (_dir, store) = store();
    assert!(matches!(store.tag("x", "y"), Err(ImageError::Absent { .. })));
    assert!(!store.folder.exists(), "nothing is made for nothing");
    let one = add(&store, &full("one"), b"1");
    store.tag(&full("one"), "quay.io/me/two:v1").unwrap();
    store.tag(one.digest().as_ref(), "quay.io/me/three:v1").unwrap();
    assert_eq!(names(&store), [full("one"), "quay.io/me/three:v1".to_owned(), "quay.io/me/two:v1".to_owned()]);
    assert!(matches!(store.tag(&full("two"), "quay.io/me/two:v1"), Err(ImageError::Absent { .. })));
}

/// Only the owner can look into the store, whatever the umask.
#[test]
fn folders_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, store) = store();
    add(&store, &full("one"), b"1");
    let staging = store.stage().unwrap();
    let ingest = fs::read_dir(store.folder.join("ingest")).unwrap().next().unwrap().unwrap().path();
    for folder in [store.folder.parent().unwrap(), store.folder(), &store.folder.join("blobs"), &store.folder.join("blobs/sha256"), &ingest]
    {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
    }
    drop(staging);
    assert!(!ingest.exists());
}

/// Signatures are found in the forms that have no name, whoever has stored them, and only those of that image.
#[test]
fn referrers_are_found() {
    let (_dir, store) = store();
    let (one, two) = (add(&store, &full("one"), b"1"), add(&store, &full("two"), b"2"));
    let signatures = sign_in_every_way(&store, &one, "");
    sign_in_every_way(&store, &two, "two");
    let found: Vec<_> = store.referrers(one.digest().as_ref()).unwrap().iter().map(|root| root.digest().clone()).collect();
    assert_eq!(found, [signatures[0].digest().clone(), signatures[1].digest().clone()]);
}

/// The size of an image is that of all its blobs, each once: the metadata of both architectures is the same.
#[test]
fn the_size_counts_each_blob_once() {
    let (_dir, store) = store();
    let one = add(&store, &full("one"), b"1");
    let sum = blobs(&store).iter().map(|name| fs::metadata(store.folder.join("blobs/sha256").join(name)).unwrap().len()).sum();
    assert_eq!(Store::size(&store.files(), &one), Some(sum));
    fs::remove_file(blob_path(&store.folder, one.digest().as_ref()).unwrap()).unwrap();
    assert_eq!(Store::size(&store.files(), &one), None);
}

/// Of several roots with one name that are stored together the last counts; those without a name are told apart by their digest.
#[test]
fn roots_replace_each_other_by_name() {
    let (_dir, store) = store();
    let files = [packed("a", b"1"), packed("a", b"2")];
    let mut bare = root_of(&files[0]);
    bare.set_annotations(None);
    let staging = store.stage().unwrap();
    files.iter().for_each(|files| stage(&staging, files));
    staging.commit(vec![root_of(&files[0]), bare.clone(), root_of(&files[1]), bare.clone()]).unwrap();
    assert_eq!(store.roots().unwrap(), [root_of(&files[1]), bare]);
}
