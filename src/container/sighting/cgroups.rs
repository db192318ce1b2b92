//! Cgroups by id: their paths, also for a while after they were removed.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::container::process;
use crate::kernel::cgroupfs;

/// How long a removed cgroup's path is kept.
const KEPT: Duration = Duration::from_secs(60);
/// Most cgroups that are kept; the oldest give way, and are asked of the kernel again if they are still there.
const MOST: usize = 65_536;

/// See the module.
#[derive(Debug, Default)]
pub struct Cgroups {
    paths: HashMap<u64, Arc<str>>,
    ids: HashMap<Arc<str>, u64>,
    order: VecDeque<u64>,
    removed: VecDeque<(u64, Instant)>,
}

impl Cgroups {
    /// Notes a cgroup.
    pub fn add(&mut self, id: u64, path: &str) {
        while self.order.len() >= MOST {
            let oldest = self.order.pop_front();
            oldest.iter().for_each(|id| self.forget(*id));
        }
        let path: Arc<str> = path.into();
        self.ids.insert(path.clone(), id);
        if self.paths.insert(id, path).is_none() {
            self.order.push_back(id);
        }
    }

    /// Notes that a cgroup is gone, and lets go of those that went some time ago.
    pub fn remove(&mut self, id: u64, now: Instant) {
        self.removed.push_back((id, now));
        while let Some((id, _)) = self.removed.front().copied().filter(|(_, at)| now.saturating_duration_since(*at) >= KEPT) {
            self.removed.pop_front();
            self.forget(id);
        }
    }

    /// The path of a cgroup, asked of the kernel when nobody has told it.
    pub fn path(&mut self, id: u64) -> Option<Arc<str>> {
        if let Some(path) = self.paths.get(&id) {
            return Some(path.clone());
        }
        let path = cgroupfs::path_of(process::unified_mount()?, id).ok()?;
        self.add(id, &path);
        self.paths.get(&id).cloned()
    }

    /// The ids of the cgroups that the one at `path` is in, innermost first, the root left out.
    pub fn parents(&self, path: &str) -> Vec<u64> {
        let parents = Path::new(path).ancestors().skip(1).filter_map(Path::to_str).filter(|path| path.len() > 1);
        let on_disk = |path: &str| cgroupfs::id_of(&process::unified_mount()?.join(path.trim_start_matches('/'))).ok();
        parents.filter_map(|path| self.ids.get(path).copied().or_else(|| on_disk(path))).collect()
    }

    fn forget(&mut self, id: u64) {
        if let Some(path) = self.paths.remove(&id)
            && self.ids.get(&path) == Some(&id)
        {
            self.ids.remove(&path);
        }
    }
}
