//! The system's notifications about the directories that hold the watched files, reduced to "something may have changed".

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, Event, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Longest chain of symlinks that is followed.
const MAX_LINKS: usize = 16;
/// The link that Kubernetes swaps when it changes a mounted ConfigMap.
const CONFIG_MAP_LINK: &str = "..data";

/// So many events about other files, in so short a time, are noise: a busy directory holds the configuration.
const NOISE: (u32, Duration) = (256, Duration::from_millis(500));
/// Noise is left alone for this long, so that it costs no CPU. What the kernel cannot keep meanwhile it says it has dropped.
const REST: Duration = Duration::from_millis(50);

/// Counts what is heard about other files.
struct Noise {
    count: u32,
    since: Instant,
}

impl Noise {
    /// Takes note of one; rests when there are too many. On the watcher's own thread.
    fn heard(&mut self) {
        self.count += 1;
        if self.count >= NOISE.0 {
            if self.since.elapsed() < NOISE.1 {
                std::thread::sleep(REST);
            }
            *self = Noise { count: 0, since: Instant::now() };
        }
    }
}

/// Which events matter.
#[derive(Debug, Default)]
struct Interest {
    /// Names of files, in whatever directory.
    names: BTreeSet<OsString>,
    /// Directories in which every name matters.
    directories: BTreeSet<PathBuf>,
}

/// Notifications for a set of paths.
pub struct Notifier {
    watcher: Option<RecommendedWatcher>,
    interest: Arc<Mutex<Interest>>,
    notify: Arc<Notify>,
    paths: Vec<PathBuf>,
    /// Directories with a watch, and the inode each had.
    watched: BTreeMap<PathBuf, Option<u64>>,
}

impl Notifier {
    /// Notifications for `paths`.
    pub fn new(paths: &[PathBuf]) -> Self {
        let interest = Arc::new(Mutex::new(Interest::default()));
        let notify = Arc::new(Notify::new());
        let watcher = notify::recommended_watcher({
            let (interest, notify) = (interest.clone(), notify.clone());
            let mut noise = Noise { count: 0, since: Instant::now() };
            move |event: notify::Result<Event>| {
                // An error means that events may have been lost: look to be sure.
                match event.map_or(true, |event| matters(&event, &interest.lock().unwrap_or_else(PoisonError::into_inner))) {
                    true => notify.notify_one(),
                    false => noise.heard(),
                }
            }
        });
        let watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "no notifications about files, so changes of the configuration are found by polling"),
            )
            .ok();
        let mut notifier = Notifier { watcher, interest, notify, paths: Vec::new(), watched: BTreeMap::new() };
        notifier.follow(paths);
        notifier
    }

    /// Completes when something may have changed since the last call.
    pub async fn event(&self) {
        self.notify.notified().await;
    }

    /// Notifies about `paths` from now on.
    pub fn follow(&mut self, paths: &[PathBuf]) {
        self.paths = paths.to_vec();
        self.renew();
    }

    /// Watches directories that came, came again or are newly pointed to, and forgets those no longer needed.
    pub fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut interest = Interest { names: BTreeSet::from([CONFIG_MAP_LINK.into()]), ..Interest::default() };
        let mut wanted = BTreeMap::new();
        for path in &self.paths {
            for directory in directories(path, &mut interest) {
                let inode = inode(&directory);
                wanted.insert(directory, inode);
            }
        }
        *self.interest.lock().unwrap_or_else(PoisonError::into_inner) = interest;
        for (directory, _) in self.watched.iter().filter(|(directory, inode)| wanted.get(*directory) != Some(inode)) {
            // The watch of a directory that is gone went with it.
            let _ = watcher.unwatch(directory);
        }
        let watched = &self.watched;
        wanted.retain(|directory, inode| {
            watched.get(directory) == Some(inode)
                || watcher
                    .watch(directory, RecursiveMode::NonRecursive)
                    .inspect_err(|error| tracing::debug!(directory = %directory.display(), %error, "cannot watch a directory"))
                    .is_ok()
        });
        self.watched = wanted;
    }
}

/// The directories whose events can change what `path` holds; their names of interest are added to `interest`.
fn directories(path: &Path, interest: &mut Interest) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut link = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        let parent = parent(&link);
        interest.names.extend(link.file_name().map(OsString::from));
        found.push(parent.clone());
        match std::fs::read_link(&link) {
            Ok(target) => link = parent.join(target),
            Err(_) => break,
        }
    }
    if path.is_dir() {
        interest.directories.insert(path.to_path_buf());
        found.push(path.to_path_buf());
    }
    // Of a directory that does not exist, the nearest one above it that does tells when it appears.
    found.into_iter().filter_map(|directory| existing(directory, interest)).collect()
}

fn existing(mut directory: PathBuf, interest: &mut Interest) -> Option<PathBuf> {
    while !directory.is_dir() {
        interest.names.insert(directory.file_name()?.to_owned());
        directory = parent(&directory);
    }
    Some(directory)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) => PathBuf::from("."),
        None => PathBuf::from("/"),
    }
}

fn inode(directory: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(directory).ok().map(|metadata| metadata.ino())
}

/// Whether an event can have changed what a watched path holds. Reads do not: looking at the files would wake us again.
fn matters(event: &Event, interest: &Interest) -> bool {
    let changing = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    changing && (event.need_rescan() || event.paths.iter().any(|path| concerns(path, interest)))
}

fn concerns(path: &Path, interest: &Interest) -> bool {
    path.file_name().is_none_or(|name| interest.names.contains(name))
        || interest.directories.contains(&parent(path))
        || interest.directories.contains(path)
}
