//! Archives and layouts from a hostile hand: each is refused by `run` and by `image import`, for a reason that is said, in bounded memory.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use gadgetry::image::archive::Archive;
use gadgetry::image::layout::Files;
use gadgetry::image::store::Store;
use gadgetry::image::transfer::{self, Naming};
use gadgetry::image::{self, Stores};
use serde_json::json;

use crate::harness::layout;
use crate::tars::{INDEX, Layout, MANIFEST, archive, entry, header};

/// KiB that opening and importing may take, with the test program itself.
const MOST_MEMORY: u64 = 32 << 10;
const PLACE: &str = "GADGETRY_HOSTILE";
const BLOB: &str = "blobs/sha256/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Opens and imports what `GADGETRY_HOSTILE` says; the others run it in a process of its own.
#[test]
#[ignore = "run by the others, in processes of their own"]
fn child() {
    let place = PathBuf::from(std::env::var(PLACE).unwrap());
    let store = place.with_extension("store");
    let opened = image::open_in(place.to_str().unwrap(), &Stores::default()).err().map(|e| chain(&e)).unwrap_or_default();
    let imported = import(&place, &store).err().map(|e| chain(&*e)).unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap().trim_end_matches("kB").trim().to_owned();
    println!("\nOUTCOME\u{1}{peak}\u{1}{}\u{1}{}\u{1}{}", opened.replace('\n', " "), imported.replace('\n', " "), holds_something(&store));
}

/// Whether a store lists or keeps anything; an empty one may be left behind.
fn holds_something(store: &Path) -> bool {
    let entries = |folder: &str| std::fs::read_dir(store.join(folder)).map_or(0, Iterator::count);
    store.join("index.json").exists() || entries("blobs/sha256") + entries("ingest") > 0
}

fn import(place: &Path, store: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let files =
        if place.is_dir() { Files::Folder(place.to_owned()) } else { Files::Archive(Archive::open_within(place, transfer::IMPORT_LIMIT)?) };
    files.check(place)?;
    transfer::import(&files, &Store::at(store.to_owned()), &Naming::by("quay.io/me/x:v1")?, &mut |_, _| {})?;
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What became of a place.
struct Outcome {
    opened: String,
    imported: String,
}

fn outcome(place: &Path) -> Outcome {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "hostile_layouts::child", "--ignored", "--nocapture", "--test-threads=1"]).env(PLACE, place);
    let output = command.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|l| l.strip_prefix("OUTCOME\u{1}")).unwrap_or_else(|| panic!("{}: {text}\n{errors}", place.display()));
    let parts: Vec<&str> = line.split('\u{1}').collect();
    let peak: u64 = parts[0].parse().unwrap();
    println!("{}: {peak} KiB; {}; {}", place.display(), parts[1], parts[2]);
    assert!(peak <= MOST_MEMORY, "{}: {peak} KiB", place.display());
    assert_eq!(parts[3], "false", "{}: something was stored", place.display());
    Outcome { opened: parts[1].to_owned(), imported: parts[2].to_owned() }
}

/// Both ways in end in an error that says so.
fn refused(place: &Path, expected: &str) -> Outcome {
    let outcome = outcome(place);
    assert!(!outcome.opened.is_empty() && !outcome.imported.is_empty(), "{} was taken", place.display());
    assert!(outcome.opened.contains(expected), "{}: opened: {:?}", place.display(), outcome.opened);
    assert!(outcome.imported.contains(expected), "{}: imported: {:?}", place.display(), outcome.imported);
    outcome
}

fn refused_bytes(name: &str, bytes: &[u8], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(name);
    std::fs::write(&place, bytes).unwrap();
    refused(&place, expected);
}

fn gzip(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write(&mut encoder);
    encoder.finish().unwrap()
}

fn sound() -> Layout {
    Layout::read(&layout("trace_open"))
}

/// Entries that lead elsewhere, or are no files, or are there twice.
#[test]
fn entries() {
    let good = sound().entries();
    let with = |more: Vec<Vec<u8>>| archive(&[more, good.clone()].concat());
    for (name, more, expected) in [
        ("up", entry("blobs/sha256/../../../etc/passwd", b"x", b'0'), "leads out of it"),
        ("root", entry("/etc/passwd", b"x", b'0'), "leads out of it"),
        ("symlink", entry("blobs", b"", b'2'), "is a symbolic link"),
        ("hardlink", entry(BLOB, b"", b'1'), "is a hard link"),
        ("device", entry("index.json", b"", b'3'), "is a device"),
        ("pipe", entry("index.json", b"", b'6'), "is a pipe"),
        ("sparse", entry(BLOB, b"", b'S'), "is a sparse file"),
        ("twice", entry("./index.json", b"{}", b'0'), "\"index.json\" twice"),
        ("pax_up", entry("x", b"19 path=../outside\n", b'x'), "leads out of it"),
        ("pax_cut", entry("x", b"99 path=a\n", b'x'), "malformed"),
        ("pax_all", entry("x", b"13 size=1000\n", b'g'), "to all files"),
        ("long_name", entry("x", &vec![b'a'; 1 << 20], b'L'), "an extended header of 1048576 bytes"),
        ("negative", header(BLOB, &[0xff; 12], b'0', 0o644), "no number"),
        ("huge", header(BLOB, &[&[0x80][..], &[0xff; 11]].concat(), b'0', 0o644), "no number"),
        ("beyond", header(BLOB, b"77777777777\0", b'0', 0o644), "reaches beyond its end"),
    ] {
        refused_bytes(&format!("{name}.tar"), &with(vec![more]), expected);
    }
}

/// Archives that end too early, have something where nothing belongs, or do not end.
#[test]
fn shapes() {
    let good = sound().tar();
    refused_bytes("cut.tar", &good[..good.len() / 2], "reaches beyond its end");
    refused_bytes("no_end.tar", &good[..good.len() - 1024], "cut short");
    refused_bytes("behind.tar", &[&good[..], &good[..]].concat(), "behind its end");
    refused_bytes("cut.tar.gz", &gzip(|out| out.write_all(&good).unwrap())[..1000], "decompress");
    let many = gzip(|out| {
        let tiny = entry("a", b"", b'0').repeat(100);
        (0..1001).for_each(|_| out.write_all(&tiny).unwrap());
    });
    refused_bytes("many.tar.gz", &many, "more than 100000 entries");
    let members = gzip(|_| {}).repeat(100_000);
    refused_bytes("members.tar.gz", &[members, gzip(|out| out.write_all(&good[..600]).unwrap())].concat(), "reaches beyond its end");
}

/// A bomb is given up at the limit of each way in.
#[test]
fn bombs() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("bomb.tar.gz");
    let bomb = gzip(|out| {
        out.write_all(&header(BLOB, b"77777777777\0", b'0', 0o644)).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..1024).for_each(|_| out.write_all(&zeros).unwrap());
    });
    std::fs::write(&place, bomb).unwrap();
    let outcome = outcome(&place);
    assert!(outcome.opened.contains("expands to more than 128 MiB"), "{}", outcome.opened);
    assert!(outcome.imported.contains("expands to more than 1024 MiB"), "{}", outcome.imported);
}

/// Documents that lie, are too large, or mean two things.
#[test]
fn documents() {
    let changed = |change: &dyn Fn(&mut Layout)| {
        let mut layout = sound();
        change(&mut layout);
        layout.tar()
    };
    let root = |key: &'static str, value: serde_json::Value| changed(&move |layout| layout.roots[0][key] = value.clone());
    let index = |text: String| changed(&move |layout| drop(layout.files.insert("index.json".to_owned(), text.clone().into_bytes())));
    let first = sound().roots[0].to_string();
    let twice = first.replacen("\"annotations\":{", "\"annotations\":{\"org.opencontainers.image.ref.name\":\"quay.io/other:v1\",", 1);
    let many: String = (0..100_000).map(|n| format!("\"{n:x}\":\"\",")).collect();
    for (name, bytes, expected) in [
        ("negative_size", root("size", json!(-1)), "index.json is malformed"),
        ("huge_size", root("size", json!(u64::MAX)), "more than the 4194304 allowed"),
        ("wrong_size", root("size", json!(7)), "instead of 7"),
        ("sha512", root("digest", json!(format!("sha512:{}", "a".repeat(128)))), "its digest is not SHA-256"),
        ("path_in_digest", root("digest", json!("sha256:../../../../etc/passwd")), "index.json is malformed"),
        ("other_digest", root("digest", json!(format!("sha256:{}", "a".repeat(64)))), "cannot read"),
        ("large_index", index(" ".repeat(5 << 20)), "larger than 4 MiB"),
        ("deep_index", index("[".repeat(1 << 20)), "index.json is malformed"),
        ("many_members", index(format!("{{{many}\"manifests\":[]}}")), "more than 1000 members"),
        ("many_roots", index(format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", vec!["{}"; 1 << 20].join(","))), "malformed"),
        ("annotation_twice", index(format!("{{\"schemaVersion\":2,\"manifests\":[{twice}]}}")), "twice"),
        ("manifests_twice", index(format!("{{\"schemaVersion\":2,\"manifests\":[],\"manifests\":[{first}]}}")), "\"manifests\" twice"),
        ("no_roots", index("{\"schemaVersion\":2,\"manifests\":[]}".to_owned()), "gadget image"),
    ] {
        refused_bytes(&format!("{name}.tar"), &bytes, expected);
    }
}

/// What a descriptor brings along (`data`, `urls`) is not looked at: the blob counts.
#[test]
fn embedded_data_is_ignored() {
    let mut layout = sound();
    layout.roots[0]["data"] = json!("e30=");
    layout.roots[0]["urls"] = json!(["http://127.0.0.1:1/never"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.tar"), layout.tar()).unwrap();
    assert_eq!(image::open(folder.path().join("a.tar").to_str().unwrap()).unwrap().digest, layout.digest(0));
}

/// Indexes that list each other, themselves, or very much.
#[test]
fn nested() {
    let made = |document: &dyn Fn(&mut Layout) -> serde_json::Value| {
        let mut layout = Layout::default();
        let document = document(&mut layout).to_string();
        let root = layout.blob(INDEX, document.as_bytes());
        layout.roots.push(root);
        layout.tar()
    };
    let platform = json!({"architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "os": "linux"});
    let inner = |layout: &mut Layout| {
        let mut inner = layout.blob(INDEX, br#"{"schemaVersion":2,"manifests":[]}"#);
        inner["platform"] = platform.clone();
        inner
    };
    refused_bytes("index_in_index.tar", &made(&|layout| json!({"schemaVersion": 2, "manifests": [inner(layout)]})), "");
    let itself = json!({"mediaType": INDEX, "digest": format!("sha256:{}", "0".repeat(64)), "size": 2, "platform": platform});
    refused_bytes("cycle.tar", &made(&|_| json!({"schemaVersion": 2, "manifests": [itself]})), "");
    let many = |layout: &mut Layout| {
        let config = layout.blob("application/vnd.gadget.config.v1+yaml", b"name: x\n");
        let urls = json!(["http://127.0.0.1:1/never"]);
        let layer = json!({"mediaType": "x", "digest": format!("sha256:{}", "0".repeat(64)), "size": 1, "urls": urls});
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": vec![layer; 10_000]});
        let mut manifest = layout.blob(MANIFEST, manifest.to_string().as_bytes());
        manifest["platform"] = platform.clone();
        json!({"schemaVersion": 2, "manifests": [manifest]})
    };
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("many_layers.tar");
    std::fs::write(&place, made(&many)).unwrap();
    let outcome = outcome(&place);
    assert!(outcome.imported.contains("it lists 10000 blobs, more than 256"), "{}", outcome.imported);
}

/// Folders whose links lead out of them, and with pipes and devices for files: nothing outside is read, nothing waits.
#[test]
fn folders() {
    let secret = tempfile::tempdir().unwrap();
    std::fs::write(secret.path().join("shadow"), "root:secret").unwrap();
    let changed = |change: &dyn Fn(&Path), expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("layout");
        sound().write(&place);
        change(&place);
        let outcome = refused(&place, expected);
        assert!(!outcome.opened.contains("secret") && !outcome.imported.contains("secret"));
    };
    let link = |place: &Path, name: &str, to: &Path| {
        let path = place.join(name);
        let _ = std::fs::remove_file(&path);
        symlink(to, path).unwrap();
    };
    let metadata = |layout: &Layout| {
        let found = layout.files.iter().find(|(_, bytes)| bytes.starts_with(b"name: trace open"));
        found.map(|(name, _)| name.clone()).unwrap_or_else(|| layout.files.keys().find(|name| name.starts_with("blobs")).unwrap().clone())
    };
    let blob = metadata(&sound());
    changed(&|place| link(place, "index.json", &secret.path().join("shadow")), "leads out of the folder");
    changed(&|place| link(place, "index.json", Path::new("../../../../../../../../../etc/shadow")), "leads out of the folder");
    changed(&|place| link(place, &blob, &secret.path().join("shadow")), "leads out of the folder");
    changed(&|place| link(place, "index.json", Path::new("/proc/self/environ")), "leads out of the folder");
    changed(&|place| link(place, "index.json", Path::new("index.json")), "cannot read");
    let fifo = |place: &Path| {
        std::fs::remove_file(place.join("index.json")).unwrap();
        assert!(Command::new("mkfifo").arg(place.join("index.json")).status().unwrap().success());
    };
    changed(&fifo, "not a regular file");
    changed(&|place| std::fs::remove_file(place.join("oci-layout")).unwrap(), "no file \"oci-layout\"");
    let moved = |place: &Path| {
        std::fs::rename(place.join("blobs"), place.with_extension("elsewhere")).unwrap();
        symlink(place.with_extension("elsewhere"), place.join("blobs")).unwrap();
    };
    changed(&moved, "leads out of the folder");
}

/// A link that stays within the layout is followed: some tools store equal blobs once.
#[test]
fn links_within_a_layout_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    sound().write(folder.path());
    std::fs::rename(folder.path().join("index.json"), folder.path().join("real.json")).unwrap();
    symlink("real.json", folder.path().join("index.json")).unwrap();
    assert_eq!(image::open(folder.path().to_str().unwrap()).unwrap().digest, sound().digest(0));
}
