//! Which images were found well signed, so that the answer need not be worked out anew at each run: one small file per digest. It is only
//! worth as much as the folder it lies in, so it counts only where nobody else can write.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Store, durable, hex_of};
use crate::image::layout::read_file;
use crate::image::trust::Verified;

const FOLDER: &str = "verified";
/// Bytes an answer may have.
const LIMIT: u64 = 4096;
/// Bits of what others may write.
const FOREIGN_WRITE: u32 = 0o022;
/// Bits of what others may do at all.
const FOREIGN: u32 = 0o077;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    digest: String,
    policy: String,
    by: String,
    /// When it was kept; this and the next in seconds since the Unix epoch.
    kept: i64,
    /// From when on it does not hold.
    until: Option<i64>,
}

impl Store {
    /// By what the image with that digest was verified under the policy with that fingerprint; none when it was not, when the signature or
    /// its certificates have expired since, or when there is any doubt about the answer that was kept.
    pub fn verified(&self, digest: &str, policy: &str) -> Option<String> {
        self.verified_at(digest, policy, now()?)
    }

    pub(super) fn verified_at(&self, digest: &str, policy: &str, now: i64) -> Option<String> {
        let path = self.answer_path(digest)?;
        if !is_private(&self.folder, FOREIGN_WRITE) || !is_private(path.parent()?, FOREIGN) || !is_private(&path, FOREIGN) {
            return None;
        }
        let answer: Answer = serde_json::from_slice(&read_file(&path, LIMIT).ok()?).ok()?;
        let holds = answer.digest == digest && !policy.is_empty() && answer.policy == policy && !answer.by.contains(char::is_control);
        // A clock that was set back may be in front of the day on which a certificate begins to be valid.
        let current = answer.kept <= now && answer.until.is_none_or(|until| now < until);
        (holds && current).then_some(answer.by)
    }

    /// Keeps that answer. It is only worth time: one that cannot be kept is not missed.
    pub fn keep_verified(&self, digest: &str, policy: &str, verified: &Verified) {
        let Some(path) = self.answer_path(digest).filter(|_| !policy.is_empty()) else { return };
        let Some(kept) = now() else { return };
        let Verified { by, until } = verified.clone();
        let answer = Answer { digest: digest.to_owned(), policy: policy.to_owned(), by, kept, until };
        let write = || -> std::io::Result<()> {
            let text = serde_json::to_vec(&answer)?;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(self.folder.join(FOLDER))?;
            let new = path.with_extension(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)));
            durable::replace(&path, &new, &[&text], 0o600)
        };
        if let Err(error) = write() {
            tracing::debug!(error = &error as &dyn std::error::Error, "the result of a verification is not kept");
        }
    }

    fn answer_path(&self, digest: &str) -> Option<PathBuf> {
        Some(self.folder.join(FOLDER).join(hex_of(digest)?))
    }
}

/// Seconds since the Unix epoch; none when the clock is in front of that.
fn now() -> Option<i64> {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// Forgets all answers but those about these digests.
pub(super) fn retain(store: &Path, digests: &HashSet<String>) {
    for entry in fs::read_dir(store.join(FOLDER)).into_iter().flatten().flatten() {
        if !digests.contains(&format!("sha256:{}", entry.file_name().to_string_lossy())) {
            // An answer too many does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Forgets the answer about that digest.
pub(super) fn forget(store: &Path, digest: &str) {
    if let Some(hex) = hex_of(digest) {
        // An answer too many does no harm.
        let _ = fs::remove_file(store.join(FOLDER).join(hex));
    }
}

/// Whether a file or folder, links not followed, belongs to this process's user or to root and gives others none of these rights.
fn is_private(path: &Path, foreign: u32) -> bool {
    let Ok(own) = fs::metadata("/proc/self").map(|process| process.uid()) else { return false };
    fs::symlink_metadata(path)
        .is_ok_and(|found| !found.is_symlink() && (found.uid() == own || found.uid() == 0) && found.mode() & foreign == 0)
}
