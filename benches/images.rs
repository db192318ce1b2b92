//! What a store with ten thousand manifests costs: finding one image, opening it (every digest checked), listing all, and the time until
//! the program itself has a stored image in its hands. `benches/README.md` has the numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use criterion::Criterion;
use gadgetry::image::auth::Secret;
use gadgetry::image::layout::name_of;
use gadgetry::image::store::{Store, set_name};
use gadgetry::image::trust::cosign::{self, Form, SigningKey};
use gadgetry::image::{self, Reference, Stores};
use oci_spec::image::Descriptor;

/// Images in the store, each an index with one manifest.
const IMAGES: usize = 10_000;
/// The one that is looked for: the last that is listed, from where nobody answers.
const NAME: &str = "127.0.0.1:1/x/y:1";
/// What the program may take, from its start to its help about an image.
const GOAL: Duration = Duration::from_millis(20);
/// Environment variable with the program of a release, which the goal is about.
const RELEASE: &str = "GADGETRY_RELEASE";

/// Fills a store with copies of an embedded gadget's index that differ in an annotation, all committed at once. The blobs of the others
/// are written past the store: syncing each to the disk is not what is measured here.
fn fill(folder: &Path) -> Store {
    let store = Store::at(folder.to_owned());
    let layout = image::embedded_layout("trace_open").unwrap();
    let root = layout.roots().unwrap().remove(0);
    let staging = store.stage().unwrap();
    staging.copy(&layout, &root).unwrap();
    let index = serde_json::to_value(layout.index(&root).unwrap()).unwrap();
    let mut roots: Vec<Descriptor> = Vec::new();
    for number in 0..IMAGES - 1 {
        let mut index = index.clone();
        index["annotations"]["number"] = number.to_string().into();
        let bytes = serde_json::to_vec(&index).unwrap();
        let digest = image::pack::digest_of(&bytes);
        std::fs::write(folder.join("blobs/sha256").join(&digest[7..]), &bytes).unwrap();
        let mut other: Descriptor = serde_json::from_value(
            serde_json::json!({"mediaType": root.media_type().to_string(), "digest": digest, "size": bytes.len(), "annotations": index["annotations"]}),
        )
        .unwrap();
        set_name(&mut other, &format!("quay.io/gadgets/gadget_{number}:v1"));
        roots.push(other);
    }
    let mut wanted = root;
    set_name(&mut wanted, NAME);
    roots.push(wanted);
    staging.commit(roots).unwrap();
    assert_eq!(store.roots().unwrap().iter().filter(|root| name_of(root).is_some()).count(), IMAGES);
    store
}

/// Signs the image with a key made for it; gives the file with the public key.
fn sign(data: &Path, store: &Store) -> PathBuf {
    let (_, key) = SigningKey::generate(&Secret::default()).unwrap();
    cosign::sign(store, &Reference::parse(NAME).unwrap(), &key, Form::Tag).unwrap();
    let file = data.join("key.pub");
    std::fs::write(&file, key.public().to_pem()).unwrap();
    file
}

/// The time of the program from its start to its help about an image, which it takes out of the image; the median of some. None when it
/// does not succeed each time.
fn program(data: &Path, image: &str, key: &Path) -> Option<Duration> {
    let binary = std::env::var_os(RELEASE).unwrap_or_else(|| env!("CARGO_BIN_EXE_gadgetry").into());
    let key = format!("@{}", key.display());
    let run = || {
        let began = Instant::now();
        let mut command = Command::new(&binary);
        command.args(["run", image, "--public-keys", &key, "--help"]).env("GADGETRY_DATA", data).stdout(Stdio::null());
        command.status().ok()?.success().then(|| began.elapsed())
    };
    let mut times = (0..15).map(|_| run()).collect::<Option<Vec<Duration>>>()?;
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn main() -> ExitCode {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("oci-store");
    let store = fill(&folder);
    let size = std::fs::metadata(folder.join("index.json")).unwrap().len();
    println!("{IMAGES} images, index.json has {:.1} MB", size as f64 / 1e6);
    let stores = Stores::of(vec![folder]);
    let digest = store.named(NAME).unwrap().unwrap().digest().to_string();
    let mut criterion =
        Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(20);
    criterion = criterion.configure_from_args();
    criterion.bench_function("find by name", |bencher| bencher.iter(|| store.named(NAME).unwrap().unwrap()));
    criterion.bench_function("find by digest", |bencher| bencher.iter(|| store.by_digest(&digest).unwrap().unwrap()));
    criterion.bench_function("find nothing", |bencher| bencher.iter(|| store.named("quay.io/gadgets/none:v1").unwrap()));
    criterion.bench_function("referrers", |bencher| bencher.iter(|| store.referrers(&digest).unwrap()));
    criterion.bench_function("open", |bencher| bencher.iter(|| image::open_in(NAME, &stores).unwrap()));
    criterion.bench_function("list all", |bencher| bencher.iter(|| store.roots().unwrap()));
    criterion.bench_function("tag", |bencher| bencher.iter(|| store.tag(NAME, "quay.io/gadgets/other:v1").unwrap()));
    criterion.bench_function("prune", |bencher| bencher.iter(|| store.prune().unwrap()));
    criterion.final_summary();
    let key = sign(data.path(), &store);
    let (stored, embedded) = (program(data.path(), NAME, &key), program(data.path(), "trace_open", &key));
    let (Some(stored), Some(embedded)) = (stored, embedded) else {
        println!("FAILED: the program gives no help about an image; what it says is above");
        return ExitCode::FAILURE;
    };
    println!("program, from start to the help about an image: stored and signed {stored:?}, embedded {embedded:?} (medians)");
    if std::env::var_os(RELEASE).is_some() && stored.max(embedded) > GOAL {
        println!("FAILED: the program of {RELEASE} takes more than {GOAL:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
