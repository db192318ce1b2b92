//! Which entry answers for which number. Snapshots share the tables: a container's start adds to the small part of a few of them only.

use std::collections::HashSet;
use std::sync::Arc;

use super::hash::NumberMap;
use super::snapshot::Entry;

/// So many new answers are worth making the large part of a table anew.
const MANY: usize = 64;
/// What stands for no entry in the small part.
const NONE: u32 = 0;

/// Entries by a number, in two parts that are shared: what is in `recent` counts more.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    recent: Arc<NumberMap<u64, u32>>,
    base: Arc<NumberMap<u64, u32>>,
}

impl Table {
    /// The entry that a number leads to.
    pub fn get(&self, number: u64) -> Option<u32> {
        match self.recent.get(&number) {
            Some(entry) => Some(*entry).filter(|entry| *entry != NONE),
            None => self.base.get(&number).copied(),
        }
    }

    /// Lets a number lead to an entry.
    pub fn insert(&mut self, number: u64, entry: u32) {
        Arc::make_mut(&mut self.recent).insert(number, entry);
    }

    /// Lets a number lead nowhere.
    pub fn remove(&mut self, number: u64) {
        if self.base.contains_key(&number) {
            self.insert(number, NONE);
        } else if self.recent.contains_key(&number) {
            Arc::make_mut(&mut self.recent).remove(&number);
        }
    }

    /// Each number that leads somewhere, with the entry.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        let base = self.base.iter().filter(|(number, _)| !self.recent.contains_key(number));
        base.chain(self.recent.iter().filter(|(_, entry)| **entry != NONE)).map(|(number, entry)| (*number, *entry))
    }

    /// Makes one part of both when there is much in the small one.
    fn tidy(&mut self) {
        if self.recent.len() >= MANY {
            self.base = Arc::new(self.iter().collect());
            self.recent = Arc::default();
        }
    }
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// By inode of the mount namespace.
    pub mntns: Table,
    /// Mount namespaces of containers that ended and that nothing keeps: the kernel may have given their numbers to new ones.
    pub doubtful: Arc<HashSet<u64>>,
    /// By inode of the network namespace.
    pub netns: Table,
    /// By cgroup id, in the hierarchy that is watched.
    pub cgroups: Table,
    /// By the hash of their keys.
    pub keys: Table,
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
    /// One that knows the same records and nothing else.
    pub fn emptied(&self) -> Self {
        Index { recent: self.recent.clone(), older: self.older.clone(), ..Index::default() }
    }

    /// Keeps the small parts of the tables small.
    pub fn tidy(&mut self) {
        [&mut self.mntns, &mut self.netns, &mut self.cgroups, &mut self.keys].into_iter().for_each(Table::tidy);
    }
}
