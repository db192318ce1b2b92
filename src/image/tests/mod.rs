//! Tests of names, layouts, packing and compiling.

mod disk;

use std::collections::BTreeMap;
use std::path::Path;

use super::layout::Files;
use super::pack::{Recipe, digest_of, pack};
use super::*;

const NAME: &str = "ghcr.io/inspektor-gadget/gadget/toy:latest";

/// A layout of one image for amd64.
fn toy() -> pack::Files {
    pack(&Recipe {
        reference: NAME,
        metadata: b"name: toy\ndescription: a toy\nannotations:\n  org.example.kind: plaything\n",
        metadata_path: Path::new("gadget.yaml"),
        objects: &BTreeMap::from([("amd64".to_owned(), b"\x7fELF toy".to_vec())]),
        wasm: Some(b"\0asm"),
        version: "1.2.3",
        builder: "4.5.6",
        created: 1_795_255_872,
    })
    .unwrap()
}

/// Opens the toy for an architecture.
fn take(files: &pack::Files, architecture: &str) -> Result<layout::Parts, ImageError> {
    let slices: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    Files::Memory(&slices).image(NAME, architecture)
}

/// The path of the blob whose content fulfils the condition.
fn blob_path(files: &pack::Files, holds: impl Fn(&[u8]) -> bool) -> String {
    files.iter().find(|(path, bytes)| path.starts_with("blobs/") && holds(bytes)).unwrap().0.clone()
}

/// Replaces text in the blob at `path` and in all that lead to it, so that digests agree again; lets JSON lie about anything.
fn forge(files: &mut pack::Files, path: &str, from: &str, to: &str) {
    let old = files.remove(path).unwrap();
    let text = String::from_utf8(old).unwrap().replace(from, to);
    assert!(text.contains(to), "nothing was forged");
    if path == "index.json" {
        files.insert(path.to_owned(), text.into_bytes());
        return;
    }
    let (old_hex, new_hex) = (path.rsplit('/').next().unwrap().to_owned(), digest_of(text.as_bytes()).split_off(7));
    files.insert(format!("blobs/sha256/{new_hex}"), text.clone().into_bytes());
    let parent = files.iter().find(|(_, bytes)| contains(bytes, &old_hex)).unwrap().0.clone();
    let old_piece = descriptor_of(&files[&parent], &old_hex);
    let (head, _) = old_piece.rsplit_once(':').unwrap();
    let new_piece = format!("{}:{}", head.replace(&old_hex, &new_hex), text.len());
    forge(files, &parent, &old_piece, &new_piece);
}

fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// The piece of a document from a digest's hexadecimal part to the size behind it.
fn descriptor_of(document: &[u8], hex: &str) -> String {
    let text = String::from_utf8_lossy(document).into_owned();
    let begin = text.find(hex).unwrap();
    let size = begin + text[begin..].find("\"size\":").unwrap() + 7;
    let end = size + text[size..].find(|c: char| !c.is_ascii_digit()).unwrap();
    text[begin..end].to_owned()
}

/// Each gadget built in opens through the layout, with metadata and an ELF object for this machine.
#[test]
fn every_embedded_gadget_opens() {
    assert_eq!(embedded_names(), ["profile_blockio", "snapshot_process", "trace_exec", "trace_open"]);
    for name in embedded_names() {
        let image = open(name).unwrap();
        assert_eq!(image.reference, format!("ghcr.io/inspektor-gadget/gadget/{name}:latest"));
        assert!(image.ebpf.unwrap().starts_with(b"\x7fELF"), "{name}");
        assert!(image.metadata.starts_with(b"name: "), "{name}");
        assert_eq!(image.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(open(&format!("{name}@{}", image.digest)).unwrap().digest, image.digest);
        assert!(open(&format!("{name}:v{}", image.version)).is_ok());
    }
}

/// A name nobody embedded is refused with the nearest one that is; another tag, digest or registry is not taken for ours.
#[test]
fn unknown_images_are_refused_with_a_suggestion() {
    let stores = Stores::default();
    let open = |name: &str| open_in(name, &stores);
    let text = open("trace_opne").unwrap_err().to_string();
    assert!(text.contains(", did you mean \"trace_open\"?"), "{text}");
    let text = open("zzz").unwrap_err().to_string();
    let expected = "no gadget image \"ghcr.io/inspektor-gadget/gadget/zzz:latest\" found; looked among the embedded gadgets";
    assert_eq!(text, expected);
    for name in ["trace_open:v0.40.0", "docker.io/foo/trace_open", &format!("trace_open@sha256:{}", "0".repeat(64))] {
        assert!(matches!(open(name), Err(ImageError::NotFound { .. })), "{name}");
    }
}

/// Names are completed as upstream completes them.
#[test]
fn references_are_normalised() {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    for (given, expected) in [
        ("trace_open", "ghcr.io/inspektor-gadget/gadget/trace_open:latest".to_owned()),
        ("trace_open:v0.40.0", "ghcr.io/inspektor-gadget/gadget/trace_open:v0.40.0".to_owned()),
        (&format!("trace_open@{digest}"), format!("ghcr.io/inspektor-gadget/gadget/trace_open@{digest}")),
        (&format!("trace_open:v1@{digest}"), format!("ghcr.io/inspektor-gadget/gadget/trace_open:v1@{digest}")),
        ("myorg/foo", "ghcr.io/myorg/foo:latest".to_owned()),
        ("localhost/foo", "localhost/foo:latest".to_owned()),
        ("localhost:5000/foo", "localhost:5000/foo:latest".to_owned()),
        ("localhost:5000/foo:1", "localhost:5000/foo:1".to_owned()),
        ("docker.io/foo/bar", "docker.io/foo/bar:latest".to_owned()),
        ("ghcr.io/foo", "ghcr.io/inspektor-gadget/gadget/foo:latest".to_owned()),
    ] {
        assert_eq!(Reference::parse(given).map(|r| r.to_string()).unwrap(), expected, "{given}");
    }
}

/// What is no reference is refused, not guessed at.
#[test]
fn malformed_references_are_refused() {
    let long = "a".repeat(600);
    let bad = [
        "",
        "https://ghcr.io/foo",
        "Trace_Open",
        "docker.io/Foo",
        "a//b",
        "/a",
        "a/",
        "a:",
        "a:-x",
        "a@sha256:12",
        "a@md5:00",
        "a b",
        "../a",
        "a___b",
    ];
    for given in bad.into_iter().chain(["-x/a", "host:port/a", "host:99999/a", &long, "\u{e4}"]) {
        assert!(matches!(Reference::parse(given), Err(ImageError::Reference { .. })), "{given}");
    }
}

/// What was packed comes out again, annotations included.
#[test]
fn a_packed_image_opens() {
    let files = toy();
    let parts = take(&files, "amd64").unwrap();
    assert_eq!(parts.ebpf.as_deref(), Some(&b"\x7fELF toy"[..]));
    assert_eq!(parts.wasm.as_deref(), Some(&b"\0asm"[..]));
    assert!(parts.metadata.starts_with(b"name: toy\n"));
    let annotation = |key: &str| parts.annotations[key].as_str();
    assert_eq!(annotation("org.opencontainers.image.title"), "toy");
    assert_eq!(annotation("org.opencontainers.image.created"), "2026-11-21T10:11:12Z");
    assert_eq!(annotation("io.inspektor-gadget.builder.version"), "4.5.6");
    assert_eq!(annotation("org.example.kind"), "plaything");
    assert!(files.contains_key("oci-layout"));
}

/// A layout in a folder gives the same image as in memory, and a missing blob is an error that names its path.
#[test]
fn a_folder_is_a_layout_too() {
    let folder = tempfile::tempdir().unwrap();
    let files = toy();
    for (path, bytes) in &files {
        let place = folder.path().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, bytes).unwrap();
    }
    let layout = Files::Folder(folder.path().to_owned());
    assert_eq!(layout.image(NAME, "amd64").unwrap().digest, take(&files, "amd64").unwrap().digest);
    let object = blob_path(&files, |bytes| bytes.starts_with(b"\x7fELF"));
    std::fs::remove_file(folder.path().join(&object)).unwrap();
    assert!(layout.image(NAME, "amd64").unwrap_err().to_string().contains(&object));
}

/// Equal input gives equal bytes, although annotations pass through a hash map.
#[test]
fn packing_is_reproducible() {
    let first = toy();
    assert!((0..8).all(|_| toy() == first));
}

/// Metadata that is not YAML is refused by name.
#[test]
fn malformed_metadata_is_refused() {
    let objects = BTreeMap::new();
    let metadata_path = Path::new("bad/gadget.yaml");
    let recipe = Recipe {
        reference: NAME,
        metadata: b"name: [",
        metadata_path,
        objects: &objects,
        wasm: None,
        version: "",
        builder: "",
        created: 0,
    };
    assert_eq!(pack(&recipe).unwrap_err().to_string(), "metadata bad/gadget.yaml is malformed");
}

/// An architecture the image was not built for is named, with those it was built for.
#[test]
fn a_missing_architecture_is_named() {
    let text = take(&toy(), "arm64").unwrap_err().to_string();
    assert_eq!(text, format!("image {NAME} has no manifest for architecture arm64 (it has amd64)"));
}

/// Whatever byte of whatever blob changes, the image is refused.
#[test]
fn changed_blobs_are_refused() {
    let files = toy();
    for path in files.keys().filter(|path| path.starts_with("blobs/")) {
        let mut changed = files.clone();
        changed.get_mut(path).unwrap()[3] ^= 1;
        let error = take(&changed, "amd64").unwrap_err();
        assert!(matches!(&error, ImageError::Blob { reason, .. } if reason.starts_with("its content has the digest")), "{error}");
        changed.get_mut(path).unwrap().push(b' ');
        assert!(take(&changed, "amd64").unwrap_err().to_string().contains("instead of"));
    }
}

/// A descriptor cannot make us read a file outside the layout's blobs, or one of another digest kind.
#[test]
fn hostile_digests_are_refused() {
    for hostile in ["sha256:../../../../etc/passwd", "sha512:00", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "/etc/passwd"] {
        let mut files = toy();
        let root = String::from_utf8(files["index.json"].clone()).unwrap();
        let begin = root.find("sha256:").unwrap();
        forge(&mut files, "index.json", &root[begin..begin + 71], hostile);
        let error = take(&files, "amd64").unwrap_err();
        assert!(matches!(error, ImageError::Blob { .. } | ImageError::Document { .. }), "{hostile}: {error}");
    }
}

/// A size beyond the limit is refused before anything is read.
#[test]
fn oversized_blobs_are_refused() {
    let mut files = toy();
    let manifest = blob_path(&files, |bytes| contains(bytes, "\"layers\""));
    forge(&mut files, &manifest, "\"size\":8", "\"size\":88888888888");
    let text = take(&files, "amd64").unwrap_err().to_string();
    assert!(text.contains("are more than the 8388608 allowed"), "{text}");
}

/// Two layers of one kind are refused: which one is meant cannot be known.
#[test]
fn doubled_layers_are_refused() {
    let mut files = toy();
    let manifest = blob_path(&files, |bytes| contains(bytes, "\"layers\""));
    forge(&mut files, &manifest, pack::WASM_TYPE, pack::EBPF_TYPE);
    assert!(take(&files, "amd64").unwrap_err().to_string().contains("a layer of its type came before"));
}

/// A name that leads to a bare manifest is refused as no index.
#[test]
fn a_bare_manifest_is_refused() {
    let mut files = toy();
    forge(
        &mut files,
        "index.json",
        "application/vnd.oci.image.index.v1+json\",\"size",
        "application/vnd.oci.image.manifest.v1+json\",\"size",
    );
    assert!(matches!(take(&files, "amd64"), Err(ImageError::NotAnIndex { .. })));
}

/// Every authoring header compiles without a warning in a gadget that uses upstream's names; the object has BTF, no DWARF, and
/// its bytes do not depend on the place it was compiled in.
#[test]
fn every_header_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("src/image/testdata/every_header.bpf.c");
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("every_header.bpf.c");
    std::fs::copy(&source, &copy).unwrap();
    let toolchain = compile::Toolchain::discover().unwrap();
    let object = toolchain.compile(&source, "amd64", root, elsewhere.path()).unwrap();
    assert_eq!(toolchain.compile(&copy, "amd64", root, elsewhere.path()).unwrap(), object);
    assert!(contains(&object, ".BTF.ext") && !contains(&object, ".debug_info"));
}

/// The compiler's own message, with file and line, is the error.
#[test]
fn compiler_messages_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("program.bpf.c");
    std::fs::write(&source, "int f(void)\n{\n\treturn missing;\n}\n").unwrap();
    let toolchain = compile::Toolchain::discover().unwrap();
    let text = toolchain.compile(&source, "amd64", Path::new(env!("CARGO_MANIFEST_DIR")), folder.path()).unwrap_err().to_string();
    assert!(text.contains("program.bpf.c:3:9: error: use of undeclared identifier 'missing'"), "{text}");
}
