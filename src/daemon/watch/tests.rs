//! Real files in real directories.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

/// A directory with `c.yaml`, watched.
fn watched() -> (TempDir, PathBuf, ConfigWatch) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.yaml");
    fs::write(&file, "one").unwrap();
    let watch = ConfigWatch::new(std::slice::from_ref(&file));
    (directory, file, watch)
}

/// Whether a change comes well before the poll would find it.
async fn noticed(watch: &mut ConfigWatch) -> bool {
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.is_ok()
}

/// Whether nothing is reported for longer than the quiet time.
async fn silent(watch: &mut ConfigWatch) -> bool {
    tokio::time::timeout(Duration::from_millis(700), watch.changed()).await.is_err()
}

/// Proves that a write is noticed once, and touching or rewriting the same content is not.
#[tokio::test]
async fn writes_count_by_content() {
    let (_directory, file, mut watch) = watched();
    fs::write(&file, "two").unwrap();
    assert!(noticed(&mut watch).await);
    fs::write(&file, "two").unwrap();
    assert!(silent(&mut watch).await);
    fs::write(&file, "three").unwrap();
    assert!(noticed(&mut watch).await);
}

/// Proves that a burst of writes is one change.
#[tokio::test]
async fn bursts_are_one_change() {
    let (_directory, file, mut watch) = watched();
    let writer = tokio::spawn(async move {
        for i in 0..8 {
            fs::write(&file, format!("{i}")).unwrap();
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    assert!(noticed(&mut watch).await);
    writer.await.unwrap();
    assert!(silent(&mut watch).await);
}

/// Proves that an editor's rename over the file, its deletion and its return are noticed.
#[tokio::test]
async fn renames_and_deletes() {
    let (directory, file, mut watch) = watched();
    let swap = directory.path().join(".c.yaml.swp");
    fs::write(&swap, "new").unwrap();
    fs::rename(&swap, &file).unwrap();
    assert!(noticed(&mut watch).await);
    fs::remove_file(&file).unwrap();
    assert!(noticed(&mut watch).await);
    fs::write(&file, "back").unwrap();
    assert!(noticed(&mut watch).await);
}

/// A version of a ConfigMap as the kubelet mounts it.
fn version(root: &Path, name: &str, content: &str) {
    fs::create_dir(root.join(name)).unwrap();
    fs::write(root.join(name).join("c.yaml"), content).unwrap();
    symlink(name, root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
}

/// Proves that the swap of a ConfigMap's symlink is one change, also the second time.
#[tokio::test]
async fn config_map_swap_is_one_change() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    version(root, "..v1", "one");
    symlink("..data/c.yaml", root.join("c.yaml")).unwrap();
    let mut watch = ConfigWatch::new(&[root.join("c.yaml")]);
    for (old, new, content) in [("..v1", "..v2", "two"), ("..v2", "..v3", "three")] {
        version(root, new, content);
        fs::remove_dir_all(root.join(old)).unwrap();
        assert!(noticed(&mut watch).await, "{new}");
        assert!(silent(&mut watch).await, "{new}");
    }
}

/// Proves that a new file in an included directory is noticed, also when the directory itself is new.
#[tokio::test]
async fn new_files_in_included_directories() {
    let (directory, file, mut watch) = watched();
    let included = directory.path().join("gadgets.d");
    watch.follow(&[file, included.clone()]);
    fs::create_dir(&included).unwrap();
    assert!(noticed(&mut watch).await);
    fs::write(included.join("a.yaml"), "").unwrap();
    assert!(noticed(&mut watch).await);
}

/// Proves that other files in the same directory, such as the events written beside the configuration, wake nobody.
#[tokio::test]
async fn other_files_do_not_matter() {
    let (directory, _file, watch) = watched();
    for i in 0..20 {
        fs::write(directory.path().join("events.jsonl"), "x".repeat(i)).unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_millis(500), watch.notifier.event()).await.is_err());
}

/// Proves that a change between two calls is not lost, nor one that came while a call was being dropped.
#[tokio::test]
async fn dropped_calls_lose_nothing() {
    let (_directory, file, mut watch) = watched();
    fs::write(&file, "two").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = tokio::time::timeout(Duration::from_millis(50), watch.changed()).await;
    assert!(noticed(&mut watch).await);
}

/// Proves that a change is noticed although another file of the directory is opened all the time.
#[tokio::test]
async fn a_busy_neighbour_hides_nothing() {
    let (directory, file, mut watch) = watched();
    let neighbour = directory.path().join("events.jsonl");
    fs::write(&neighbour, "x").unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let busy = std::thread::spawn(move || {
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let _ = fs::read(&neighbour);
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    fs::write(&file, "two").unwrap();
    let noticed = noticed(&mut watch).await;
    drop(stop);
    busy.join().unwrap();
    assert!(noticed);
}
