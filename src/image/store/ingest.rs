//! Folders of blobs on their way into the store. Each belongs to a process that holds a lock on a file in it; those whose owner has died
//! are collected. The store's lock is held whenever one is made or collected, so that none is seen half made.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Pruned;
use crate::image::error::ImageError;

/// Held by the owner.
const LOCK: &str = "lock";

/// Makes a folder of its own, with the lock that keeps it.
pub(super) fn make(store: &Path) -> Result<(PathBuf, File), ImageError> {
    let folder = store.join(format!("ingest/{}-{:016x}", std::process::id(), fastrand::u64(..)));
    let failed = |source| ImageError::Io { action: "create", path: folder.clone(), source };
    let private = || {
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).recursive(true);
        builder
    };
    private().create(folder.join("blobs/sha256")).map_err(failed)?;
    let lock = File::options().create_new(true).write(true).mode(0o600).open(folder.join(LOCK)).map_err(failed)?;
    lock.try_lock().map_err(|error| failed(error.into()))?;
    Ok((folder, lock))
}

/// Removes the folders whose owner has died, or with `dry` only counts what is in them. Files that other tools keep there are let alone.
pub(super) fn collect(store: &Path, dry: bool) -> Pruned {
    let mut all = Pruned::default();
    for entry in fs::read_dir(store.join("ingest")).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !is_ours(&entry.file_name().to_string_lossy()) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Kept until the folder is gone.
        let _lock = match File::open(folder.join(LOCK)).map(|file| (file.try_lock().is_ok(), file)) {
            Ok((false, _)) => continue,
            Ok((true, file)) => Some(file),
            Err(_) => None,
        };
        let found = count(&folder);
        if dry || fs::remove_dir_all(&folder).is_ok() {
            all.blobs += found.blobs;
            all.bytes += found.bytes;
        }
    }
    all
}

/// `PID-RANDOM`.
fn is_ours(name: &str) -> bool {
    name.split_once('-').is_some_and(|(pid, random)| {
        pid.bytes().all(|b| b.is_ascii_digit()) && random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

fn count(folder: &Path) -> Pruned {
    let mut found = Pruned::default();
    for file in fs::read_dir(folder.join("blobs/sha256")).into_iter().flatten().flatten().filter_map(|entry| entry.metadata().ok()) {
        found.blobs += 1;
        // What the store has as well is not freed.
        found.bytes += if file.nlink() > 1 { 0 } else { file.len() };
    }
    found
}
