//! Export and import: between stores, to and from other tools, and in exactly the shape that upstream's tool writes.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Gadgetry, foreign, layout, tool};
use crate::tars::{self, INDEX, Layout, MANIFEST, REF_NAME};

const OPEN: &str = "ghcr.io/inspektor-gadget/gadget/trace_open:latest";
const EXEC: &str = "ghcr.io/inspektor-gadget/gadget/trace_exec:latest";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn roots(gadgetry: &Gadgetry) -> Vec<Value> {
    Layout::read(&gadgetry.store()).roots
}

/// The digest under which a store has a name.
fn digest(gadgetry: &Gadgetry, name: &str) -> String {
    let found = roots(gadgetry).into_iter().find(|root| root["annotations"][REF_NAME] == name);
    found.unwrap_or_else(|| panic!("{name} is not in the store"))["digest"].as_str().unwrap().to_owned()
}

/// Two embedded gadgets in one archive arrive in another store with their digests; what is exported there is the same, byte for byte; the
/// archive runs with a name behind it.
#[test]
fn images_travel_between_stores() {
    let (one, two) = (Gadgetry::new(), Gadgetry::new());
    let (first, second) = (one.data.path().join("first.tar"), two.data.path().join("second.tar"));
    let said = one.ok(&["image", "export", "trace_open", "trace_exec", text(&first)]);
    assert_eq!(said, format!("Successfully exported images to {}\n", first.display()));
    assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(!one.store().exists(), "nothing is written into the store");
    assert_eq!(two.ok(&["image", "import", text(&first)]), format!("Successfully imported images:\n  {EXEC}\n  {OPEN}\n"));
    assert_eq!(digest(&two, OPEN), Layout::read(&layout("trace_open")).digest(0));
    two.ok(&["image", "export", EXEC, "trace_open:latest", text(&second)]);
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    let image = gadgetry::image::open(&format!("{}:trace_exec", first.display())).unwrap();
    assert_eq!(image.digest, Layout::read(&layout("trace_exec")).digest(0));
    let listing = foreign(Command::new("tar").arg("-tvf").arg(&first));
    assert!(listing.lines().all(|line| line.starts_with("-rw-r--r--")), "{listing}");
    assert!(listing.ends_with("oci-layout\n") && listing.contains(" index.json\n"), "{listing}");
}

/// JSON lists what was imported; standard output and input take the place of files; compressed archives and folders are read, too.
#[test]
fn every_way_in_and_out() {
    let gadgetry = Gadgetry::new();
    let output = gadgetry.run(&["image", "export", "trace_open", "-"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "Successfully exported images to standard output\n");
    let file = gadgetry.data.path().join("a.tar");
    std::fs::write(&file, "something old").unwrap();
    gadgetry.ok(&["image", "export", "trace_open", text(&file)]);
    assert_eq!(std::fs::read(&file).unwrap(), output.stdout, "the old file is replaced");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&output.stdout).unwrap();
    let compressed = encoder.finish().unwrap();
    for bytes in [&output.stdout, &compressed] {
        let into = Gadgetry::new();
        let mut child = into.command(&["image", "import", "-o", "json", "-"]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(said, format!("[\"{OPEN}\"]\n"));
    }
    let into = Gadgetry::new();
    let said = into.ok(&["image", "import", "--output", "jsonpretty", text(&layout("trace_open"))]);
    assert_eq!(said, format!("[\n  \"{OPEN}\"\n]\n"));
    let target = into.data.path().join("target.tar");
    std::os::unix::fs::symlink(&file, &target).unwrap();
    into.ok(&["image", "export", "trace_open", text(&target)]);
    assert!(target.is_symlink(), "a link is followed");
}

/// What cannot be exported or imported leaves nothing behind, and the exit code is that of `ig`.
#[test]
fn failures_leave_nothing() {
    let gadgetry = Gadgetry::new();
    let folder = gadgetry.data.path();
    let file = folder.join("a.tar");
    std::fs::write(&file, "old").unwrap();
    for (arguments, expected) in [
        (vec!["image", "export", "trace_open", "nothing_like_it", text(&file)], "no gadget image"),
        (vec!["image", "export", "trace_open", text(folder)], "is a directory"),
        (vec!["image", "export", "trace_open"], "DST_FILE"),
        (vec!["image", "import", text(&file)], "neither a tar archive nor a gzip-compressed one"),
        (vec!["image", "import", "/nowhere/at/all.tar"], "cannot open /nowhere/at/all.tar"),
        (vec!["image", "import", text(folder)], "no file \"oci-layout\""),
        (vec!["image", "import", "-o", "yaml", text(&file)], "jsonpretty"),
    ] {
        let (code, said) = gadgetry.fails(&arguments);
        assert!(code == 1 && said.starts_with("Error: ") && said.contains(expected), "{arguments:?}: {said}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "neither a store nor a part of an archive");
}

/// An archive with one wrong byte is refused, and the store is as before.
#[test]
fn a_corrupted_archive_changes_nothing() {
    let gadgetry = Gadgetry::new();
    let file = gadgetry.data.path().join("a.tar");
    gadgetry.ok(&["image", "import", text(&layout("trace_exec"))]);
    let before = std::fs::read(gadgetry.store().join("index.json")).unwrap();
    let sound = Layout::read(&layout("trace_open"));
    for name in sound.files.keys().filter(|name| name.starts_with("blobs")) {
        let mut damaged = sound.clone();
        let bytes = damaged.files.get_mut(name).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&file, damaged.tar()).unwrap();
        let (code, said) = gadgetry.fails(&["image", "import", text(&file)]);
        assert!(code == 1 && said.contains("its content has the digest sha256:"), "{name}: {said}");
        assert_eq!(std::fs::read(gadgetry.store().join("index.json")).unwrap(), before);
        let hex = name.rsplit('/').next().unwrap();
        assert!(!gadgetry.store().join("blobs/sha256").join(hex).exists(), "{name}");
    }
}

/// An archive in the shape of upstream's exporter: blobs first and read-only, no folders, times of 1970, an index without a media type, a
/// signature under a tag and one as a nameless referrer. Its names are printed without the signature's; all of it travels on.
#[test]
fn upstreams_archives_are_imported() {
    let gadgetry = Gadgetry::new();
    let mut source = Layout::read(&layout("trace_open"));
    let (digest, size) = (source.digest(0), source.roots[0]["size"].clone());
    let empty = source.blob("application/vnd.oci.empty.v1+json", b"{}");
    let payload = json!({"critical": {"image": {"docker-manifest-digest": digest}}}).to_string();
    let layer = source.blob("application/vnd.dev.cosign.simplesigning.v1+json", payload.as_bytes());
    let config = source.blob("application/vnd.oci.image.config.v1+json", br#"{"architecture":"","os":""}"#);
    let tagged = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).to_string();
    let mut tagged = source.blob(MANIFEST, tagged.as_bytes());
    let signature = format!("ghcr.io/inspektor-gadget/gadget/trace_open:{}.sig", digest.replace(':', "-"));
    tagged["annotations"] = json!({REF_NAME: signature});
    let layer = source.blob("application/vnd.dev.sigstore.bundle.v0.3+json", b"{\"bundle\":1}");
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let subject = json!({"mediaType": INDEX, "digest": digest, "size": size});
    let referrer =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty, "layers": [layer], "subject": subject});
    let mut referrer = source.blob(MANIFEST, referrer.to_string().as_bytes());
    referrer["artifactType"] = json!(kind);
    referrer["annotations"] = json!({"org.opencontainers.image.created": "2025-01-01T00:00:00Z"});
    source.roots.extend([tagged, referrer]);
    source.roots.sort_by_key(|root| root["digest"].as_str().unwrap().to_owned());
    let entries: Vec<Vec<u8>> = source
        .all()
        .iter()
        .map(|(name, bytes)| {
            let mode = if name.starts_with("blobs/") { 0o444 } else { 0o644 };
            let mut entry = tars::header(name, format!("{:011o}\0", bytes.len()).as_bytes(), b'0', mode);
            entry.extend_from_slice(bytes);
            entry.resize(entry.len().next_multiple_of(512), 0);
            entry
        })
        .collect();
    let file = gadgetry.data.path().join("upstream.tar");
    std::fs::write(&file, tars::archive(&entries)).unwrap();
    assert_eq!(gadgetry.ok(&["image", "import", text(&file)]), format!("Successfully imported images:\n  {OPEN}\n"));
    let stored = roots(&gadgetry);
    assert_eq!(stored.len(), 3, "{stored:?}");
    let note = stored.iter().find(|root| root["annotations"][REF_NAME].is_null()).unwrap();
    assert_eq!(note["annotations"]["io.gadgetry.subject"], digest);

    let out = gadgetry.data.path().join("ours.tar");
    gadgetry.ok(&["image", "export", "trace_open", text(&out)]);
    let unpacked = tempfile::tempdir().unwrap();
    foreign(Command::new("tar").arg("-C").arg(unpacked.path()).arg("-xf").arg(&out));
    let ours = Layout::read(unpacked.path());
    let digests = |layout: &Layout| layout.roots.iter().map(|root| root["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(digests(&ours), digests(&source), "the same roots in the same order");
    assert_eq!(ours.files.len(), source.files.len());
    let names = |layout: &Layout| layout.roots.iter().map(|root| root["annotations"][REF_NAME].clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&source));
}

/// The digests of the manifests that a layout's first image lists.
fn manifests(layout: &Layout) -> Vec<String> {
    let name = layout.digest(0).replace("sha256:", "blobs/sha256/");
    let index: Value = serde_json::from_slice(&layout.files[&name]).unwrap();
    index["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

/// skopeo reads an image out of our archive by its full name, byte for byte, and what it archives comes back, once it is given a name. (The
/// index that it writes is its own, with other bytes; the manifests stay.)
#[test]
fn skopeo_reads_and_writes_archives() {
    let gadgetry = Gadgetry::new();
    let folder = gadgetry.data.path();
    let (ours, theirs, unpacked) = (folder.join("ours.tar"), folder.join("theirs.tar"), folder.join("unpacked"));
    gadgetry.ok(&["image", "export", "trace_open", "trace_exec", text(&ours)]);
    let skopeo = |arguments: &[&str]| foreign(Command::new("skopeo").arg("--insecure-policy").args(arguments));
    let from = format!("oci-archive:{}:{OPEN}", ours.display());
    let sound = Layout::read(&layout("trace_open"));
    let index = skopeo(&["inspect", "--raw", &from]);
    assert_eq!(index.as_bytes(), sound.files[&sound.digest(0).replace("sha256:", "blobs/sha256/")]);
    let layout = format!("oci:{}:v1", unpacked.display());
    skopeo(&["copy", "-q", "--all", &from, &layout]);
    skopeo(&["copy", "-q", "--all", &layout, &format!("oci-archive:{}:v1", theirs.display())]);
    assert_eq!(manifests(&Layout::read(&unpacked)), manifests(&sound));
    let (_, said) = gadgetry.fails(&["image", "import", text(&theirs)]);
    assert!(said.contains("has no full name, only the tag \"v1\"; give it a repository with --name"), "{said}");
    let said = gadgetry.ok(&["image", "import", "--name", "quay.io/me/open", text(&theirs)]);
    assert_eq!(said, "Successfully imported images:\n  quay.io/me/open:v1\n");
    assert_eq!(manifests(&Layout::read(&gadgetry.store())), manifests(&sound));
}

/// oras copies out of our archive, and GNU tar's archive of its layout comes back with its digest; so does the layout's folder.
#[test]
fn oras_reads_and_writes_layouts() {
    let Some(oras) = tool("oras_reads_and_writes_layouts", "image-tools/usr/bin/oras") else { return };
    let gadgetry = Gadgetry::new();
    let folder = gadgetry.data.path();
    let ours = folder.join("ours.tar");
    gadgetry.ok(&["image", "export", "trace_open", "trace_exec", text(&ours)]);
    let (unpacked, copied, theirs) = (folder.join("unpacked"), folder.join("copied"), folder.join("theirs.tar.gz"));
    std::fs::create_dir(&unpacked).unwrap();
    foreign(Command::new("tar").arg("-C").arg(&unpacked).arg("-xf").arg(&ours));
    let expected = Layout::read(&layout("trace_open")).digest(0);
    let from = format!("{}@{expected}", unpacked.display());
    foreign(Command::new(oras).args(["cp", "--from-oci-layout", &from, "--to-oci-layout", &format!("{}:v2", copied.display())]));
    foreign(Command::new("tar").arg("-C").arg(&copied).args(["--format=pax", "-czf"]).arg(&theirs).arg("."));
    for place in [&theirs, &copied] {
        let into = Gadgetry::new();
        into.ok(&["image", "import", "-t", "quay.io/me/open:v3", text(place)]);
        assert_eq!(digest(&into, "quay.io/me/open:v3"), expected);
    }
}
