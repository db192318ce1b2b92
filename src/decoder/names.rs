//! `gadget_uid` and `gadget_gid`: names from the host's `/etc/passwd` and `/etc/group`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::{push_number, unsigned};
use crate::batch::Decode;
use crate::kernel::{clock, host_path};

/// How often the file is looked at, in nanoseconds.
const PERIOD: u64 = 1_000_000_000;
/// A larger file is read up to here.
const LIMIT: u64 = 16 << 20;

/// Names by id, out of a file in the format of `/etc/passwd`: the name first, the id third, colons between.
pub struct Names {
    path: PathBuf,
    prefix: &'static [u8],
    names: ArcSwap<BTreeMap<u32, Box<[u8]>>>,
    looked: AtomicU64,
    seen: Mutex<Option<(SystemTime, u64)>>,
}

impl Names {
    /// Users and groups of this machine; `uid:123` and `gid:123` for one without a name. `None` when `/etc/passwd` or `/etc/group`
    /// does not exist.
    pub fn of_machine() -> Option<(Arc<Self>, Arc<Self>)> {
        Names::of_folder(&host_path(Path::new("/etc")))
    }

    /// The same out of another folder than `/etc`.
    pub fn of_folder(etc: &Path) -> Option<(Arc<Self>, Arc<Self>)> {
        let (users, groups) = (etc.join("passwd"), etc.join("group"));
        (users.exists() && groups.exists()).then(|| (Names::read(users, b"uid:"), Names::read(groups, b"gid:")))
    }

    fn read(path: PathBuf, prefix: &'static [u8]) -> Arc<Self> {
        let names = Names { path, prefix, names: ArcSwap::default(), looked: AtomicU64::new(0), seen: Mutex::default() };
        names.refresh();
        Arc::new(names)
    }

    /// Reads the file again if it has changed. Looks at most once a second, so it may be called per batch.
    pub fn refresh(&self) {
        let now = clock::boot_now();
        let looked = self.looked.load(Ordering::Relaxed);
        if looked != 0 && now < looked + PERIOD {
            return;
        }
        if self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.reload();
        }
    }

    fn reload(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that is gone or unreadable for a moment leaves the names as they were.
        let Ok(metadata) = std::fs::metadata(&self.path) else { return };
        let Ok(stamp) = metadata.modified().map(|time| (time, metadata.len())) else { return };
        if *seen == Some(stamp) {
            return;
        }
        let mut text = Vec::new();
        let read = std::fs::File::open(&self.path).and_then(|file| file.take(LIMIT).read_to_end(&mut text));
        if read.is_ok() {
            self.names.store(Arc::new(parse(&text)));
            *seen = Some(stamp);
        }
    }
}

fn parse(text: &[u8]) -> BTreeMap<u32, Box<[u8]>> {
    let mut names = BTreeMap::new();
    for line in text.split(|b| *b == b'\n') {
        let mut parts = line.split(|b| *b == b':');
        let (Some(name), Some(id)) = (parts.next(), parts.nth(1)) else { continue };
        let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        if let (Some(id), false) = (id, name.is_empty()) {
            // The first of several names of an id, as the C library finds it.
            names.entry(id).or_insert_with(|| name.into());
        }
    }
    names
}

impl Decode for Names {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let id = unsigned(raw);
        match u32::try_from(id).ok().and_then(|id| self.names.load().get(&id).map(|name| out.extend_from_slice(name))) {
            Some(()) => {}
            None => {
                out.extend_from_slice(self.prefix);
                push_number(out, id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
