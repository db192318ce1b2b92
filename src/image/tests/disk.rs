//! Tests of images on disk: layouts, archives, object folders, stores.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

const ARCH: &str = "amd64";

fn packed(reference: &str, object: &[u8]) -> pack::Files {
    let recipe = Recipe {
        reference,
        metadata: b"name: toy\n",
        metadata_path: Path::new("gadget.yaml"),
        objects: &BTreeMap::from([(ARCH.to_owned(), object.to_vec())]),
        wasm: None,
        version: "1.0",
        builder: "",
        created: 0,
    };
    pack(&recipe).unwrap()
}

/// Puts the images of several layouts into one.
fn merged(layouts: &[pack::Files]) -> pack::Files {
    let mut all: pack::Files = layouts.iter().flatten().map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
    let documents = layouts.iter().map(|files| serde_json::from_slice::<serde_json::Value>(&files["index.json"]).unwrap());
    let mut index = documents.clone().next().unwrap();
    index["manifests"] = documents.flat_map(|document| document["manifests"].as_array().unwrap().clone()).collect();
    all.insert("index.json".to_owned(), serde_json::to_vec(&index).unwrap());
    all
}

fn write(files: &pack::Files, folder: &Path) -> PathBuf {
    for (path, bytes) in files {
        std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        std::fs::write(folder.join(path), bytes).unwrap();
    }
    folder.to_owned()
}

/// A ustar archive, made by the format's own words.
fn tar(entries: &[(&str, &[u8], u8)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content, kind) in entries {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[156] = *kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn tar_of(files: &pack::Files) -> Vec<u8> {
    tar(&files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice(), b'0')).collect::<Vec<_>>())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    std::fs::write(folder.join(name), bytes).unwrap();
    folder.join(name).to_str().unwrap().to_owned()
}

fn error(path: &str) -> String {
    local::open(path, ARCH).unwrap_err().to_string()
}

/// The same image comes out of a folder, a tar, a tar with `./` in front of its names and a gzip-compressed tar.
#[test]
fn a_layout_opens_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let files = packed(NAME, b"\x7fELF one");
    let dotted: pack::Files = files.iter().map(|(path, bytes)| (format!("./{path}"), bytes.clone())).collect();
    let places = [
        write(&files, &dir.path().join("layout")).to_str().unwrap().to_owned(),
        file(dir.path(), "plain.tar", &tar_of(&files)),
        file(dir.path(), "dotted.tar", &tar_of(&dotted)),
        file(dir.path(), "small.tar.gz", &gzip(&tar_of(&files))),
    ];
    for place in places {
        let image = local::open(&place, ARCH).unwrap();
        assert_eq!((image.reference.as_str(), image.version.as_str()), (NAME, "1.0"), "{place}");
        assert_eq!(image.ebpf.as_deref(), Some(&b"\x7fELF one"[..]), "{place}");
    }
}

/// Of several images one is chosen by full name, short name, tag or digest; without a choice all are named.
#[test]
fn one_of_several_images_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (packed("ghcr.io/inspektor-gadget/gadget/one:latest", b"\x7fELF 1"), packed("quay.io/me/two:v2", b"\x7fELF 2"));
    let path = file(dir.path(), "both.tar", &tar_of(&merged(&[one, two.clone()])));
    let text = error(&path);
    assert!(text.contains("several images") && text.contains("gadget/one:latest, quay.io/me/two:v2"), "{text}");
    let digest = take_from(&two);
    for choice in [":quay.io/me/two:v2", ":two", ":v2", &format!("@{digest}")] {
        let image = local::open(&format!("{path}{choice}"), ARCH).unwrap();
        assert_eq!(image.ebpf.as_deref(), Some(&b"\x7fELF 2"[..]), "{choice}");
    }
    assert_eq!(local::open(&format!("{path}:one"), ARCH).unwrap().ebpf.as_deref(), Some(&b"\x7fELF 1"[..]));
    assert!(error(&format!("{path}:three")).contains("does not have exactly one image \"three\"; it has ghcr.io"));
}

fn take_from(files: &pack::Files) -> String {
    let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

/// Archives that lead out of themselves, lie about sizes, are cut or are none are refused; none of them makes us read elsewhere.
#[test]
fn hostile_archives_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = tar_of(&packed(NAME, b"\x7fELF"));
    let mut broken = good.clone();
    broken[140] ^= 1;
    let with = |name| [tar(&[(name, b"x", b'0')])[..1024].to_vec(), good.clone()].concat();
    for (name, bytes, expected) in [
        ("up.tar", with("blobs/../../etc/passwd"), "leads out of it"),
        ("root.tar", with("/etc/passwd"), "leads out of it"),
        ("sum.tar", broken, "checksum"),
        ("cut.tar", good[..515].to_vec(), "reaches beyond its end"),
        ("text.tar", b"hello".to_vec(), "neither a tar archive"),
        ("cut.tar.gz", gzip(&good)[..100].to_vec(), "cannot decompress"),
        ("object.o", b"\x7fELF....".to_vec(), "name the folder"),
        ("other.tar", tar(&[("manifest.json", b"[]", b'0')]), "no file \"oci-layout\""),
    ] {
        let text = error(&file(dir.path(), name, &bytes));
        assert!(text.contains(expected), "{name}: {text}");
    }
}

/// A link in an archive condemns it: nothing that writes image archives has any.
#[test]
fn links_in_archives_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = packed(NAME, b"\x7fELF");
    let object = blob_path(&files, |bytes| bytes.starts_with(b"\x7fELF"));
    files.remove(&object);
    let mut entries: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice(), b'0')).collect();
    entries.push((object.as_str(), b"", b'2'));
    assert!(error(&file(dir.path(), "link.tar", &tar(&entries))).contains("is a symbolic link"));
}

/// An archive that expands without end is given up at the limit.
#[test]
fn compressed_bombs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = gzip(&vec![0; (128 << 20) + 1]);
    assert!(error(&file(dir.path(), "bomb.tar.gz", &bomb)).contains("expands to more than 128 MiB"));
}

/// A folder with an object and its metadata opens whatever the object is called; a source without its object and two objects are refused.
#[test]
fn object_folders_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    assert!(error(path).contains("no compiled gadget"));
    file(dir.path(), "gadget.yaml", b"name: toy\n");
    assert!(local::open(path, ARCH).unwrap().ebpf.is_none(), "metadata alone");
    file(dir.path(), "program.bpf.c", b"");
    assert!(error(path).contains("no compiled object"));
    file(dir.path(), "any.bpf.o", b"\x7fELF");
    assert_eq!(local::open(path, ARCH).unwrap().ebpf.as_deref(), Some(&b"\x7fELF"[..]));
    file(dir.path(), "other.o", b"\x7fELF");
    assert!(error(path).contains("any.bpf.o, other.o"));
}

/// Stores are asked in turn for full names and digests; the error tells where was looked and what may have been meant.
#[test]
fn stores_are_searched() {
    let dir = tempfile::tempdir().unwrap();
    let (mine, ours) = (packed("ghcr.io/inspektor-gadget/gadget/special:v1", b"\x7fELF 1"), packed("quay.io/me/two:v2", b"\x7fELF 2"));
    let folders = vec![dir.path().join("absent"), write(&mine, &dir.path().join("a")), write(&ours, &dir.path().join("b"))];
    let stores = Stores::of(folders);
    let digest = take_from(&ours);
    for (name, object) in [
        ("special:v1", &b"\x7fELF 1"[..]),
        ("quay.io/me/two:v2", b"\x7fELF 2"),
        (&format!("quay.io/me/two@{digest}"), b"\x7fELF 2"),
        (&digest, b"\x7fELF 2"),
    ] {
        assert_eq!(open_in(name, &stores).unwrap().ebpf.as_deref(), Some(object), "{name}");
    }
    assert_eq!(open_in("trace_open", &stores).unwrap().version, env!("CARGO_PKG_VERSION"), "what is embedded goes first");
    for name in ["special", &format!("quay.io/me/three@{digest}")] {
        assert!(matches!(open_in(name, &stores), Err(ImageError::NotFound { .. })), "{name}");
    }
    let text = open_in("specail", &stores).unwrap_err().to_string();
    assert!(text.contains("did you mean \"special\"?") && text.contains("absent (not there)"), "{text}");
}

/// A blob of a store that was changed on disk is refused, not run.
#[test]
fn changed_blobs_of_a_store_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let files = packed("quay.io/me/two:v2", b"\x7fELF 2");
    let store = write(&files, dir.path());
    std::fs::write(store.join(blob_path(&files, |bytes| bytes.starts_with(b"\x7fELF"))), b"\x7fELF 3").unwrap();
    let text = open_in("quay.io/me/two:v2", &Stores::of(vec![store])).unwrap_err().to_string();
    assert!(text.contains("its content has the digest"), "{text}");
}

/// A layer with types of kernels is read.
#[test]
fn a_btfgen_layer_is_read() {
    let mut files = toy();
    let manifest = blob_path(&files, |bytes| contains(bytes, "\"layers\""));
    forge(&mut files, &manifest, pack::WASM_TYPE, "application/vnd.gadget.btfgen.v1+binary");
    assert_eq!(take(&files, ARCH).unwrap().btfgen.as_deref(), Some(&b"\0asm"[..]));
}
