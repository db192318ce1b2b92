//! What a set of files and directories holds, as hashes: two fingerprints are equal when a reload would read the same.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// How much of a file counts, in bytes; more than a configuration may have.
const MAX_READ: u64 = (1 << 20) + 1;
/// How many entries of a directory count.
const MAX_ENTRIES: usize = 10_000;

/// The content by path; none where there is nothing readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Fingerprint {
    /// What `paths` hold now.
    pub fn of(paths: &[PathBuf]) -> Self {
        Fingerprint(paths.iter().map(|path| (path.clone(), content(path))).collect())
    }

    /// What is known for those of `paths` that are in it, and what the others hold now.
    pub fn extended_to(&self, paths: &[PathBuf]) -> Self {
        let known = |path: &PathBuf| self.0.get(path).copied().unwrap_or_else(|| content(path));
        Fingerprint(paths.iter().map(|path| (path.clone(), known(path))).collect())
    }

    /// The paths.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.keys().cloned().collect()
    }
}

/// Hash of a file's bytes or a directory's names.
fn content(path: &Path) -> Option<[u8; 32]> {
    let metadata = fs::metadata(path).ok()?;
    let mut hash = Sha256::new();
    if metadata.is_dir() {
        let entries = fs::read_dir(path).ok()?.take(MAX_ENTRIES);
        let mut names: Vec<OsString> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.sort();
        for name in names {
            hash.update(name.as_encoded_bytes());
            hash.update([0]);
        }
    } else if metadata.is_file() {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(MAX_READ).read_to_end(&mut bytes).ok()?;
        hash.update(&bytes);
    } else {
        return None;
    }
    Some(hash.finalize().into())
}
