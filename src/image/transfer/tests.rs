//! Tests of export and import in one process: what is taken, what it is called, what is left out.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::image::archive::Archive;
use crate::image::layout::{Files, name_of};
use crate::image::pack::{self, Recipe, digest_of, pack};
use crate::image::store::{SUBJECT, Store};
use crate::image::{GadgetImage, ImageError, Stores, open_in};

const NAME: &str = "quay.io/me/toy:v1";

/// A layout under construction.
#[derive(Default)]
struct Layout {
    files: pack::Files,
    roots: Vec<Value>,
}

impl Layout {
    /// With a gadget of that name.
    fn gadget(mut self, name: &str) -> Self {
        let recipe = Recipe {
            reference: name,
            metadata: b"name: toy\n",
            metadata_path: Path::new("gadget.yaml"),
            objects: &BTreeMap::from([("amd64".to_owned(), b"\x7fELF".to_vec()), ("arm64".to_owned(), name.as_bytes().to_vec())]),
            wasm: None,
            version: "1.0",
            builder: "",
            created: 1_000_000_000,
        };
        let mut files = pack(&recipe).unwrap();
        let index: Value = serde_json::from_slice(&files.remove("index.json").unwrap()).unwrap();
        self.roots.push(index["manifests"][0].clone());
        self.files.extend(files);
        self
    }

    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest_of(bytes);
        self.files.insert(format!("blobs/{}", digest.replacen(':', "/", 1)), bytes.to_vec());
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// With a manifest, under a name or none.
    fn manifest(mut self, name: Option<&str>, config: &str, layer: &str, subject: Option<&Value>) -> Self {
        let mut manifest = json!({
            "schemaVersion": 2,
            "config": self.blob(config, b"{}"),
            "layers": [self.blob(layer, name.unwrap_or("nameless").as_bytes())],
        });
        if let Some(subject) = subject {
            manifest["subject"] = json!({"mediaType": subject["mediaType"], "digest": subject["digest"], "size": subject["size"]});
        }
        let mut root = self.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
        if let Some(name) = name {
            root["annotations"] = json!({pack::REF_NAME: name});
        }
        self.roots.push(root);
        self
    }

    fn files(mut self) -> Vec<(String, Vec<u8>)> {
        self.files.insert("index.json".to_owned(), json!({"schemaVersion": 2, "manifests": self.roots}).to_string().into_bytes());
        self.files.into_iter().collect()
    }

    fn digest(&self, root: usize) -> String {
        self.roots[root]["digest"].as_str().unwrap().to_owned()
    }

    fn import(self, store: &Store, name: Option<&str>) -> Result<Imported, TransferError> {
        let files = self.files();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let naming = name.map(|name| Naming::by(name).unwrap()).unwrap_or_default();
        import(&Files::Memory(&files), store, &naming, &mut |_, _| {})
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("store"));
    (folder, store)
}

fn export(stores: &[&Store], names: &[&str]) -> Result<Vec<u8>, TransferError> {
    let mut export = Export::of(&Stores::of(stores.iter().map(|store| store.folder().to_owned()).collect()))?;
    names.iter().try_for_each(|name| export.add(name))?;
    export.write(Vec::new(), &mut |_, _| {})
}

fn import_bytes(bytes: Vec<u8>, store: &Store) -> Result<Imported, TransferError> {
    let files = Files::Archive(Archive::of_bytes(Path::new("a.tar"), bytes)?);
    import(&files, store, &Naming::default(), &mut |_, _| {})
}

fn opened(name: &str, store: &Store) -> Result<GadgetImage, ImageError> {
    open_in(name, &Stores::of(vec![store.folder().to_owned()]))
}

const SIGNATURE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const NOTATION: &str = "application/vnd.cncf.notary.signature";

/// Images and both kinds of signatures survive the way out and in again, and the way back gives the same bytes.
#[test]
fn images_and_signatures_travel() {
    let ((_one, from), (_two, to)) = (store(), store());
    let layout = Layout::default().gadget(NAME).gadget("quay.io/me/other:v2");
    let (digest, subject) = (layout.digest(0), layout.roots[0].clone());
    let tag = format!("quay.io/me/toy:{}.sig", digest.replacen(':', "-", 1));
    let layout = layout.manifest(Some(&tag), SIGNATURE_CONFIG, SIGNATURE_LAYER, None).manifest(
        None,
        NOTATION,
        "application/jose+json",
        Some(&subject),
    );
    let imported = layout.import(&from, None).unwrap();
    assert_eq!(imported, Imported { images: vec!["quay.io/me/other:v2".into(), NAME.into()], signatures: 2, skipped: vec![] });
    assert_eq!(from.referrers(&digest).unwrap().len(), 1);

    let bytes = export(&[&from], &[NAME]).unwrap();
    let again = import_bytes(bytes.clone(), &to).unwrap();
    assert_eq!(again, Imported { images: vec![NAME.into()], signatures: 2, skipped: vec![] });
    assert_eq!(opened(NAME, &to).unwrap().digest, digest);
    assert_eq!(to.referrers(&digest).unwrap()[0].annotations().as_ref().unwrap()[SUBJECT], digest);
    assert!(to.named(&tag).unwrap().is_some());
    assert_eq!(export(&[&to], &[NAME]).unwrap(), bytes);
}

/// Names, digests and repositories with digests choose images; the order of names does not matter; a blob of two images is there once.
#[test]
fn exports_are_reproducible() {
    let (_folder, from) = store();
    let layout = Layout::default().gadget(NAME).gadget("quay.io/me/other:v2");
    let digest = layout.digest(0);
    layout.import(&from, None).unwrap();
    let both = export(&[&from], &[NAME, "quay.io/me/other:v2"]).unwrap();
    assert_eq!(both, export(&[&from], &["quay.io/me/other:v2", &digest]).unwrap());
    assert_eq!(both, export(&[&from], &["quay.io/me/other:v2", &format!("quay.io/me/toy@{digest}"), NAME]).unwrap());
    let time = u64::from_str_radix(std::str::from_utf8(&both[136..147]).unwrap(), 8).unwrap();
    assert_eq!(time, 1_000_000_000, "the time is that of the image");
    let text = export(&[&from], &["quay.io/me/toy"]).unwrap_err().to_string();
    assert!(text.contains("\"quay.io/me/toy:latest\" found"), "{text}");
}

/// An embedded gadget is exported by its name without a store, and a store's image of that name goes first.
#[test]
fn embedded_gadgets_are_exported() {
    let ((_one, empty), (_two, to)) = (store(), store());
    let version = format!("trace_open:{}", env!("CARGO_PKG_VERSION"));
    import_bytes(export(&[&empty], &["trace_open", &version]).unwrap(), &to).unwrap();
    let full = format!("ghcr.io/inspektor-gadget/gadget/{version}");
    let roots: Vec<_> = to.roots().unwrap();
    assert_eq!(roots.iter().filter_map(name_of).collect::<Vec<_>>(), [&full, "ghcr.io/inspektor-gadget/gadget/trace_open:latest"]);
    assert!(export(&[&empty], &["trace_open:v0.0.7"]).is_err());
    let (_three, own) = store();
    Layout::default().gadget("ghcr.io/inspektor-gadget/gadget/trace_open:latest").import(&own, None).unwrap();
    assert_ne!(export(&[&own], &["trace_open"]).unwrap(), export(&[&empty], &["trace_open"]).unwrap());
}

/// Other tools' names: a tag or nothing needs a repository, containerd's annotation is one.
#[test]
fn names_are_completed() {
    let (_folder, to) = store();
    for (name, given, expected) in [
        ("v1", Some("quay.io/me/toy"), Ok("quay.io/me/toy:v1")),
        ("v1", Some("quay.io/me/toy:v7"), Ok("quay.io/me/toy:v7")),
        ("v1", Some("toy"), Ok("ghcr.io/inspektor-gadget/gadget/toy:v1")),
        ("me/toy:v1", None, Ok("ghcr.io/me/toy:v1")),
        ("v1", None, Err("has no full name, only the tag \"v1\"; give it a repository with --name")),
        ("no tag", Some("quay.io/me/toy"), Err("the tag is malformed")),
    ] {
        let result = Layout::default().gadget(name).import(&to, given);
        match expected {
            Ok(expected) => assert_eq!(result.unwrap().images, [expected]),
            Err(expected) => assert!(result.unwrap_err().to_string().contains(expected), "{name}"),
        }
    }
    let mut docker = Layout::default().gadget("latest");
    docker.roots[0]["annotations"][CONTAINERD_NAME] = json!("docker.io/me/toy:latest");
    assert_eq!(docker.import(&to, None).unwrap().images, ["docker.io/me/toy:latest"]);
    let mut nameless = Layout::default().gadget("x");
    nameless.roots[0].as_object_mut().unwrap().remove("annotations");
    assert_eq!(nameless.import(&to, Some("quay.io/me/toy")).unwrap().images, ["quay.io/me/toy:latest"]);
    assert!(Naming::by(&format!("toy@{}", digest_of(b""))).is_err());
}

/// What is no gadget is left out and said; with nothing else, it is an error and no store appears.
#[test]
fn only_gadgets_are_taken() {
    let (folder, to) = store();
    let other =
        || Layout::default().manifest(Some("docker.io/library/x:1"), SIGNATURE_CONFIG, "application/vnd.oci.image.layer.v1.tar", None);
    let text = other().import(&to, None).unwrap_err().to_string();
    assert!(
        text.contains("no gadget image in it; it has an image that is no gadget: sha256:") && text.contains("docker.io/library/x:1"),
        "{text}"
    );
    let bare = Layout::default().manifest(Some(NAME), pack::CONFIG_TYPE, pack::EBPF_TYPE, None).import(&to, None).unwrap_err().to_string();
    assert!(bare.contains("a single manifest of a gadget"), "{bare}");
    assert!(!folder.path().join("store").exists());
    let imported = other().gadget(NAME).import(&to, None).unwrap();
    assert_eq!((imported.images.as_slice(), imported.skipped.len()), (&[NAME.to_owned()][..], 1));
}

/// A signature of an image that is nowhere is left out; when the image is in the store, it is taken.
#[test]
fn signatures_find_their_images() {
    let (_folder, to) = store();
    let image = Layout::default().gadget(NAME);
    let subject = image.roots[0].clone();
    let alone = || Layout::default().manifest(None, NOTATION, "application/jose+json", Some(&subject));
    assert!(alone().import(&to, None).unwrap_err().to_string().contains("which is not there"));
    image.import(&to, None).unwrap();
    assert_eq!(alone().import(&to, None).unwrap().signatures, 1);
    let mut index = alone();
    let root = index.roots.remove(0);
    let list = json!({"schemaVersion": 2, "manifests": [root]}).to_string();
    let mut root = index.blob("application/vnd.oci.image.index.v1+json", list.as_bytes());
    root["annotations"] = json!({pack::REF_NAME: "quay.io/me/toy:sha256-0"});
    index.roots.push(root);
    assert_eq!(index.import(&to, None).unwrap().signatures, 1, "a list of referrers is taken apart");
    assert_eq!(to.referrers(subject["digest"].as_str().unwrap()).unwrap().len(), 1);
}

/// Whatever is wrong with one blob, nothing of the archive gets into the store.
#[test]
fn all_or_nothing() {
    let (_folder, to) = store();
    Layout::default().gadget("quay.io/me/old:v1").import(&to, None).unwrap();
    let before = to.roots().unwrap();
    let damaged = |damage: &dyn Fn(&mut Layout)| {
        let mut layout = Layout::default().gadget(NAME);
        damage(&mut layout);
        layout.import(&to, None).unwrap_err().to_string()
    };
    let elf = digest_of(NAME.as_bytes()).replacen(':', "/", 1);
    let path = format!("blobs/{elf}");
    assert!(damaged(&|layout| layout.files.get_mut(&path).unwrap()[0] ^= 1).contains("its content has the digest"));
    assert!(damaged(&|layout| layout.files.get_mut(&path).unwrap().push(0)).contains("more than 17 bytes instead of 17"));
    assert!(damaged(&|layout| assert!(layout.files.get_mut(&path).unwrap().pop().is_some())).contains("16 bytes instead of 17"));
    assert!(damaged(&|layout| drop(layout.files.remove(&path))).contains("cannot read blobs"));
    assert!(damaged(&|layout| layout.roots[0]["digest"] = json!(format!("sha512:{}", "a".repeat(128)))).contains("not SHA-256"));
    assert!(damaged(&|layout| layout.roots[0]["size"] = json!(-1)).contains("index.json is malformed"));
    assert!(damaged(&|layout| layout.roots[0]["size"] = json!(5 << 20)).contains("more than the 4194304 allowed"));
    let clash = Layout::default().gadget(NAME).gadget("quay.io/me/other:v2");
    let clash = {
        let mut clash = clash;
        clash.roots[1]["annotations"][pack::REF_NAME] = json!(NAME);
        clash.import(&to, None).unwrap_err().to_string()
    };
    assert!(clash.contains("two different images"), "{clash}");
    assert_eq!(to.roots().unwrap(), before);
    assert!(!to.folder().join("blobs").join(elf).exists());
}

/// An archive that lists the same things again and again, in different indexes, too, is read in time that does not grow with the product:
/// each document once. What lists more than is sensible is refused.
#[test]
fn repetitions_cost_nothing() {
    let (_folder, to) = store();
    let layout = |indexes: usize, roots: usize| {
        let mut layout = Layout::default();
        let manifest = json!({
            "schemaVersion": 2,
            "config": layout.blob(pack::CONFIG_TYPE, b"name: toy\n"),
            "layers": [layout.blob(pack::EBPF_TYPE, b"\x7fELF")],
            "annotations": {"padding": "x".repeat(2 << 20)},
        });
        let mut entry = layout.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
        entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
        for root in 0..roots {
            let mut index = json!({"schemaVersion": 2, "manifests": vec![entry.clone(); 256]});
            index["annotations"] = json!({"number": (root % indexes).to_string()});
            let mut listed = layout.blob("application/vnd.oci.image.index.v1+json", index.to_string().as_bytes());
            listed["annotations"] = json!({pack::REF_NAME: format!("a/b:{root}")});
            layout.roots.push(listed);
        }
        layout
    };
    for (indexes, roots) in [(1, 1000), (300, 300)] {
        let (layout, began) = (layout(indexes, roots), std::time::Instant::now());
        assert_eq!(layout.import(&to, None).unwrap().images.len(), roots);
        // Reading the manifest for each time it is listed would be hundreds of gigabytes.
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{indexes} {roots}: {:?}", began.elapsed());
    }
    let mut many = layout(1, 1);
    many.roots = vec![many.roots[0].clone(); 10_000];
    let (began, error) = (std::time::Instant::now(), many.import(&to, None).unwrap_err().to_string());
    assert_eq!(error, "it lists 10000 images and signatures, more than the 1000 that are imported at once");
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
}

/// RFC 3339 in all its forms, and what only looks like it.
#[test]
fn times_are_read() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2001-09-09T01:46:40Z", Some(1_000_000_000)),
        ("2001-09-09t03:46:40.123456789+02:00", Some(1_000_000_000)),
        ("2000-02-29T23:59:59-00:30", Some(951_870_599)),
        ("1969-12-31T23:59:59Z", None),
        ("2001-09-09 01:46:40", None),
        ("2001-13-09T01:46:40Z", None),
        ("", None),
        ("2001-09-09T01:46:40", None),
    ] {
        assert_eq!(time::seconds(text), expected, "{text}");
    }
}

/// Archives damaged in random places end in an answer, whatever is wrong with them: the seeds of the fuzz target.
#[test]
fn damaged_archives_end_in_an_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/archive");
    let mut sound = 0;
    for seed in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(seed.unwrap().path()).unwrap();
        let read = |bytes: Vec<u8>| survey(&Files::Archive(Archive::of_bytes(Path::new("a.tar"), bytes)?), &Naming::default());
        sound += usize::from(read(bytes.clone()).is_ok_and(|found| !found.images.is_empty()));
        let mut random = fastrand::Rng::with_seed(bytes.len() as u64);
        for _ in 0..2000 {
            let mut damaged = bytes.clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..damaged.len());
                damaged[at] = random.u8(..);
                if random.u8(..) < 16 {
                    damaged.truncate(at + 1);
                }
            }
            let _ = read(damaged);
        }
    }
    assert!(sound >= 6, "{sound} seeds are archives of images");
}
