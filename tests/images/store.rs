//! The store under other people's hands: processes that are killed at any moment, processes that all change it at once, other tools.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gadgetry::image::layout::{DOCUMENT_LIMIT, Files, name_of};
use gadgetry::image::store::{Store, set_name};
use sha2::{Digest, Sha256};

use crate::harness::{self, Gadgetry, foreign};

/// Says to a copy of this program which store to work on, and as which worker.
const WORKER: &str = "GADGETRY_TEST_STORE_WORKER";
const GADGET: &str = "ghcr.io/inspektor-gadget/gadget/trace_open";

/// A pseudorandom number below `below`; a seed gives the same row each time.
fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// Starts a copy of this program that runs only that test, as a worker.
fn worker(test: &str, store: &Path, number: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("store::{test}"), "--nocapture"]).env(WORKER, format!("{number}:{}", store.display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// What this copy of the program is to do, if it is a worker.
fn order() -> Option<(u64, PathBuf)> {
    let order = std::env::var(WORKER).ok()?;
    let (number, store) = order.split_once(':').unwrap();
    Some((number.parse().unwrap(), PathBuf::from(store)))
}

/// Stores an image of one blob of its own under that name.
fn store_one(store: &Store, name: &str, content: &str) {
    let staging = store.stage().unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest = staging.put(bytes).unwrap();
        serde_json::json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let config = put("application/vnd.gadget.config.v1+yaml", b"name: toy\n");
    let layer = put("application/vnd.gadget.ebpf.program.v1+binary", content.as_bytes());
    let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": [layer]}).to_string();
    let mut manifest = put("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    manifest["platform"] = serde_json::json!({"os": "linux", "architecture": "amd64"});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]}).to_string();
    let mut root = serde_json::from_value(put("application/vnd.oci.image.index.v1+json", index.as_bytes())).unwrap();
    set_name(&mut root, name);
    staging.commit(vec![root]).unwrap();
}

/// Checks that everything that is listed is there and is what its digest says.
fn assert_sound(store: &Store) {
    let files = store.files();
    for root in store.roots().unwrap() {
        let index = files.index(&root).unwrap();
        for manifest in index.manifests() {
            let manifest =
                oci_spec::image::ImageManifest::from_reader(&files.blob(manifest, "manifest", DOCUMENT_LIMIT).unwrap()[..]).unwrap();
            for blob in manifest.layers().iter().chain([manifest.config()]) {
                files.blob(blob, "layer", 64 << 20).unwrap();
            }
        }
    }
    for entry in std::fs::read_dir(store.folder().join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let hex: String = Sha256::digest(std::fs::read(&path).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(path.file_name().unwrap().to_str(), Some(hex.as_str()), "a blob that is half there");
    }
}

fn names(store: &Store) -> BTreeSet<String> {
    store.roots().unwrap().iter().filter_map(name_of).map(str::to_owned).collect()
}

/// Changes a store for as long as it is let live: stores, tags, removes, prunes.
fn churn(store: &Store, mut seed: u64) -> ! {
    loop {
        let (name, other) = (format!("{GADGET}:v{}", random(&mut seed, 20)), format!("{GADGET}:t{}", random(&mut seed, 20)));
        match random(&mut seed, 5) {
            0 | 1 => store_one(store, &name, &format!("{seed}").repeat(20_000)),
            // Either may be gone.
            2 => drop(store.tag(&name, &other)),
            3 => drop(store.remove(&name)),
            _ => drop(store.prune().unwrap()),
        }
    }
}

/// A process that is killed in the midst of storing, tagging, removing or pruning leaves a store in which nothing is half there, and the
/// next prune leaves nothing of what it was about.
#[test]
fn nothing_is_half_there_after_a_kill() {
    if let Some((seed, folder)) = order() {
        churn(&Store::at(folder), seed);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("oci-store"));
    store_one(&store, &format!("{GADGET}:stays"), "stays");
    let (mut seed, mut left_behind) = (1, 0);
    for round in 0..60 {
        let mut child = worker("nothing_is_half_there_after_a_kill", store.folder(), round * 7919);
        std::thread::sleep(Duration::from_micros(20_000 + random(&mut seed, 60_000)));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        assert_sound(&store);
        assert!(names(&store).contains(&format!("{GADGET}:stays")));
        left_behind += std::fs::read_dir(store.folder().join("ingest")).unwrap().count();
        store.prune().unwrap();
        assert_eq!(std::fs::read_dir(store.folder().join("ingest")).unwrap().count(), 0, "folders of the dead");
    }
    assert!(names(&store).len() > 1, "the workers have done nothing");
    assert!(left_behind > 0, "nobody was killed while it stored something");
}

/// Eight processes change one store at once; afterwards each finds exactly what it has put there, and the store is sound.
#[test]
fn eight_processes_lose_nothing() {
    const ROUNDS: u64 = 25;
    let name = |worker: u64, round: u64| format!("{GADGET}{worker}:r{round}");
    if let Some((worker, folder)) = order() {
        let store = Store::at(folder);
        for round in 0..ROUNDS {
            store_one(&store, &name(worker, round), &format!("{worker} {}", round / 2));
            store.tag(&name(worker, round), &format!("{GADGET}{worker}:tagged{round}")).unwrap();
            if round % 3 == 1 {
                store.remove(&name(worker, round - 1)).unwrap();
            }
            if round % 5 == worker % 5 {
                store.prune().unwrap();
            }
            assert!(store.named(&name(worker, round)).unwrap().is_some());
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("oci-store"));
    let workers: Vec<Child> = (0..8).map(|number| worker("eight_processes_lose_nothing", store.folder(), number)).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    let mut expected = BTreeSet::new();
    for worker in 0..8 {
        for round in 0..ROUNDS {
            expected.insert(format!("{GADGET}{worker}:tagged{round}"));
            if round % 3 != 0 || round + 1 == ROUNDS {
                expected.insert(name(worker, round));
            }
        }
    }
    assert_eq!(names(&store), expected);
    assert_sound(&store);
    assert_eq!(store.prune().unwrap().blobs, 0, "what was removed was collected, and nobody has left anything");
}

/// An embedded gadget that is tagged is in the store; skopeo and oras read it there and copy it elsewhere: oras unchanged, skopeo with an
/// index that it writes anew.
#[test]
fn other_tools_read_our_store() {
    let gadgetry = Gadgetry::new();
    gadgetry.ok(&["image", "tag", "trace_open", "localhost:5000/mine:v1"]);
    let digest = digest_of(&gadgetry, "localhost:5000/mine");
    let source = format!("oci:{}:localhost:5000/mine:v1", gadgetry.store().display());
    let raw = foreign(Command::new("skopeo").args(["--insecure-policy", "inspect", "--raw", &source]));
    let hex: String = Sha256::digest(raw.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(digest, format!("sha256:{hex}"));
    let object = |folder: PathBuf| {
        let files = Files::Folder(folder);
        let root = files.roots().unwrap().remove(0);
        (root.digest().to_string(), files.parts(&root, "copy", "amd64").unwrap().ebpf.unwrap())
    };
    let (copy, ours) = (gadgetry.data.path().join("skopeo"), object(gadgetry.store()));
    foreign(Command::new("skopeo").args(["--insecure-policy", "copy", "-q", "--all", &source, &format!("oci:{}:there", copy.display())]));
    assert_eq!(object(copy).1, ours.1);
    let Some(oras) = harness::tool("other_tools_read_our_store", "image-tools/usr/bin/oras") else { return };
    let (source, copy) = (format!("{}@{digest}", gadgetry.store().display()), gadgetry.data.path().join("oras"));
    let target = format!("{}:there", copy.display());
    foreign(Command::new(oras).args(["cp", "--from-oci-layout", &source, "--to-oci-layout", &target]));
    assert_eq!(object(copy), (digest, ours.1));
}

/// What skopeo has copied into our store is listed, tagged, run, and kept by prune.
#[test]
fn we_read_what_other_tools_store() {
    let gadgetry = Gadgetry::new();
    gadgetry.ok(&["image", "tag", "trace_open", "mine:v1"]);
    let source = format!("oci:{}", harness::layout("trace_exec").display());
    let target = format!("oci:{}:quay.io/theirs/exec:v2", gadgetry.store().display());
    foreign(Command::new("skopeo").args(["--insecure-policy", "copy", "-q", "--all", &source, &target]));
    gadgetry.ok(&["image", "prune"]);
    let list = gadgetry.ok(&["image", "list"]);
    assert!(list.lines().any(|line| line.starts_with("quay.io/theirs/exec v2")), "{list}");
    gadgetry.ok(&["image", "tag", "quay.io/theirs/exec:v2", "exec_again"]);
    let stored = Store::at(gadgetry.store());
    let root = stored.resolve("exec_again").unwrap();
    assert!(stored.files().parts(&root, "exec_again", "amd64").unwrap().ebpf.is_some());
    gadgetry.ok(&["image", "remove", "exec_again", "quay.io/theirs/exec:v2", "mine:v1"]);
    assert_eq!(std::fs::read_dir(gadgetry.store().join("blobs/sha256")).unwrap().count(), 0);
}

fn rows(gadgetry: &Gadgetry) -> Vec<serde_json::Value> {
    serde_json::from_str(&gadgetry.ok(&["image", "list", "-o", "json"])).unwrap()
}

fn digest_of(gadgetry: &Gadgetry, repository: &str) -> String {
    let rows = rows(gadgetry);
    rows.iter().find(|row| row["repository"] == repository).unwrap()["digest"].as_str().unwrap().to_owned()
}

/// Images are tagged, listed, removed and pruned, in the words of the reference; those of the program are listed, too, and stay.
#[test]
fn images_are_tagged_listed_and_removed() {
    let gadgetry = Gadgetry::new();
    let before = rows(&gadgetry);
    assert!(!before.is_empty() && before.iter().all(|row| row["embedded"] == true && row["tag"] == "latest"));
    assert!(!gadgetry.store().exists(), "a list makes nothing");
    let digest = digest_of(&gadgetry, "trace_open");
    let said = gadgetry.ok(&["image", "tag", "trace_open", "mine:v1"]);
    assert_eq!(said, format!("Successfully tagged with ghcr.io/inspektor-gadget/gadget/mine:v1@{digest}\n"));
    gadgetry.ok(&["image", "tag", &digest[..19], "quay.io/me/mine"]);
    let list = rows(&gadgetry);
    assert_eq!(list.len(), before.len() + 2);
    let (embedded, mine) = (list.iter().find(|row| row["repository"] == "trace_open"), list.iter().find(|row| row["repository"] == "mine"));
    let keys = ["tag", "digest", "created", "size", "embedded"].map(|key| mine.unwrap()[key].clone());
    let expected = [
        serde_json::json!("v1"),
        serde_json::json!(digest),
        embedded.unwrap()["created"].clone(),
        embedded.unwrap()["size"].clone(),
        false.into(),
    ];
    assert_eq!(keys, expected);
    let table = gadgetry.ok(&["image", "ls"]);
    assert!(table.starts_with("REPOSITORY ") && table.contains(&digest), "a pipe gets whole digests: {table}");
    let (code, error) = gadgetry.fails(&["image", "remove", "mien:v1"]);
    assert_eq!(
        (code, error.as_str()),
        (1, "Error: the store has no image \"ghcr.io/inspektor-gadget/gadget/mien:v1\", did you mean \"mine:v1\"?\n")
    );
    assert!(gadgetry.fails(&["image", "rm", "trace_open"]).1.contains("built into the program"));
    assert!(gadgetry.fails(&["image", "rm", &digest]).1.contains("means several images"));
    assert_eq!(gadgetry.ok(&["image", "remove", "mine:v1"]), "Successfully removed mine:v1\n");
    assert_eq!(gadgetry.ok(&["image", "prune"]), "Freed 0 blobs, 0 B\n");
    gadgetry.ok(&["image", "tag", "trace_exec", "quay.io/me/mine"]);
    let (would, freed) = (gadgetry.ok(&["image", "prune", "--dry-run"]), gadgetry.ok(&["image", "prune"]));
    assert!(
        would.starts_with("Would free ") && freed == would.replace("Would free", "Freed") && !freed.starts_with("Freed 0"),
        "{would}{freed}"
    );
    assert_eq!(rows(&gadgetry).len(), before.len() + 1);
}

/// On a terminal digests are short and dates are ages, or nothing for those of an epoch, unless all is asked for.
#[test]
fn a_terminal_gets_a_short_list() {
    let gadgetry = Gadgetry::new();
    let digest = digest_of(&gadgetry, "trace_open");
    let on_terminal = |flags: &str| {
        let command = format!("{} image list {flags}", crate::support::binary().display());
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).env("GADGETRY_DATA", gadgetry.data.path()).env("HOME", gadgetry.data.path());
        foreign(&mut script)
    };
    let short = on_terminal("");
    assert!(short.contains(&digest[7..19]) && !short.contains(&digest) && short.contains(" - ") && !short.contains(" ago "), "{short}");
    let whole = on_terminal("--no-trunc");
    assert!(whole.contains(&digest) && whole.contains("1970-01-01T00:00:00Z"), "{whole}");
}

/// Removing takes no longer than a moment while somebody else holds the lock for a moment: it waits, and then does its work.
#[test]
fn a_held_lock_is_waited_for() {
    let gadgetry = Gadgetry::new();
    gadgetry.ok(&["image", "tag", "trace_open", "mine:v1"]);
    let lock = std::fs::File::options().write(true).open(gadgetry.store().join("index.json.lock")).unwrap();
    lock.lock().unwrap();
    let began = Instant::now();
    let mut child = gadgetry.command(&["image", "remove", "mine:v1"]).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    drop(lock);
    assert!(child.wait().unwrap().success() && began.elapsed() >= Duration::from_millis(500));
}
