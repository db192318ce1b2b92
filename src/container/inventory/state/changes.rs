//! What has changed since the last publication: whose numbers have to be answered for anew.

use std::sync::Arc;

use super::Slot;

/// Most containers, and most mount namespaces, that are told apart; beyond them everything is looked at.
const MOST: (usize, usize) = (32, 128);

/// See the module.
#[derive(Default)]
pub(super) struct Changes {
    /// So much that there is no use in telling what.
    pub all: bool,
    /// The containers.
    pub keys: Vec<Arc<str>>,
    /// The entries they had.
    pub entries: Vec<u32>,
    /// Hashes of the keys of those that are no more.
    pub gone: Vec<u64>,
    mntns: Vec<u64>,
    netns: Vec<u64>,
    cgroups: Vec<u64>,
}

impl Changes {
    /// Everything.
    pub fn everything() -> Self {
        Changes { all: true, ..Changes::default() }
    }

    /// Notes that a container changes: to be called before, with what readers were told of it. What it is by then is noted by publishing.
    pub fn note(&mut self, slot: &Slot) {
        if self.all {
            return;
        }
        if !self.keys.contains(&slot.key) {
            self.keys.push(slot.key.clone());
        }
        self.note_numbers(slot);
        if self.keys.len() > MOST.0 || self.mntns.len() > MOST.1 {
            *self = Changes::everything();
        }
    }

    /// Notes that a container goes.
    pub fn note_end(&mut self, slot: &Slot) {
        self.gone.push(slot.marks.key);
        self.note(slot);
    }

    /// Notes the numbers that lead to a container.
    pub fn note_numbers(&mut self, slot: &Slot) {
        let note = |all: &mut Vec<u64>, number: u64| {
            if number != 0 && !all.contains(&number) {
                all.push(number);
            }
        };
        std::iter::once(slot.marks.mntns).chain(slot.aliases.iter().copied()).for_each(|mntns| note(&mut self.mntns, mntns));
        note(&mut self.netns, slot.marks.netns);
        note(&mut self.cgroups, slot.marks.cgroup);
        if !self.entries.contains(&slot.number) {
            self.entries.push(slot.number);
        }
    }

    /// Whether a number of one of the kinds below is a container's that has changed.
    pub fn has_mntns(&self, mntns: u64) -> bool {
        mntns != 0 && (self.all || self.mntns.contains(&mntns))
    }

    pub fn has_netns(&self, netns: u64) -> bool {
        netns != 0 && (self.all || self.netns.contains(&netns))
    }

    pub fn has_cgroup(&self, cgroup: u64) -> bool {
        cgroup != 0 && (self.all || self.cgroups.contains(&cgroup))
    }

    /// Whether a container has a number that has to be answered for anew.
    pub fn concern(&self, slot: &Slot) -> bool {
        let marks = &slot.marks;
        self.all
            || self.has_mntns(marks.mntns)
            || self.has_netns(marks.netns)
            || self.has_cgroup(marks.cgroup)
            || slot.aliases.iter().any(|alias| self.has_mntns(*alias))
            || self.entries.contains(&slot.number)
    }

    /// The mount namespaces, network namespaces and cgroups.
    pub fn numbers(&self) -> [&[u64]; 3] {
        [&self.mntns, &self.netns, &self.cgroups]
    }
}
