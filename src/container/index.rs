//! Which entry answers for which number. Snapshots share each table until it changes: a container's start copies a few of them and makes none anew.

use std::collections::HashSet;
use std::sync::Arc;

use super::hash::NumberMap;
use super::snapshot::Entry;

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// By inode of the mount namespace.
    pub mntns: Arc<NumberMap<u64, u32>>,
    /// Mount namespaces of containers that ended and that nothing keeps: the kernel may have given their numbers to new ones.
    pub doubtful: Arc<HashSet<u64>>,
    /// By inode of the network namespace.
    pub netns: Arc<NumberMap<u64, u32>>,
    /// By cgroup id, in the hierarchy that is watched.
    pub cgroups: Arc<NumberMap<u64, u32>>,
    /// By the hash of their keys.
    pub keys: Arc<NumberMap<u64, u32>>,
    /// Those that run, sandboxes left out.
    pub running: Arc<Vec<u32>>,
    /// Those that ran and have ended, sandboxes left out.
    pub ended: Arc<Vec<u32>>,
    /// Whether units of systemd run.
    pub has_units: bool,
    /// The records that came since `older` was made.
    pub recent: Arc<NumberMap<u32, Arc<Entry>>>,
    /// The records of before.
    pub older: Arc<NumberMap<u32, Arc<Entry>>>,
}

impl Index {
    /// One that knows the same records and has room for so many containers.
    pub fn emptied(&self, containers: usize) -> Self {
        let table = || {
            let mut table = NumberMap::default();
            table.reserve(containers);
            Arc::new(table)
        };
        Index {
            mntns: table(),
            netns: table(),
            cgroups: table(),
            keys: table(),
            recent: self.recent.clone(),
            older: self.older.clone(),
            ..Index::default()
        }
    }
}
