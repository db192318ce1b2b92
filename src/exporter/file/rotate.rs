//! Putting a full file aside: `x.jsonl` becomes `x.jsonl.1`, that one `x.jsonl.2`, and the oldest goes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::config::Rotation;

/// Renames `path` to its first backup and moves the others on.
pub(super) fn rotate(path: &Path, rotation: &Rotation) -> io::Result<()> {
    let most = rotation.backups();
    remove_old(path, rotation);
    // Only the unbroken run from the first backup on has to make room.
    let run = (1..=most).take_while(|n| backup(path, *n).exists()).count() as u32;
    for number in (1..=run).rev() {
        let from = backup(path, number);
        if number >= most { std::fs::remove_file(&from)? } else { std::fs::rename(&from, backup(path, number + 1))? }
    }
    std::fs::rename(path, backup(path, 1))
}

/// Name of backup `number`; 1 is the newest.
pub(super) fn backup(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// A backup that cannot be removed now will be tried again at the next rotation.
fn remove_old(path: &Path, rotation: &Rotation) {
    let Some(limit) = rotation.age().and_then(|age| SystemTime::now().checked_sub(age)) else { return };
    for number in 1..=rotation.backups() {
        let name = backup(path, number);
        let modified = std::fs::metadata(&name).and_then(|m| m.modified());
        if modified.is_ok_and(|time| time < limit) {
            let _ = std::fs::remove_file(&name);
        }
    }
}
