//! How a snapshot is made of the state: who answers for which mount namespace, network namespace and cgroup.

use std::sync::Arc;
use std::time::Instant;

use super::changes::Changes;
use super::users::Users;
use super::{Slot, State};
use crate::container::hash::NumberMap;
use crate::container::index::Index;
#[cfg(test)]
use crate::container::index::Table;
use crate::container::record::Container;
use crate::container::snapshot::{Entry, Snapshot};
use crate::container::units;

/// So many new entries, or ones that nobody looks for any more, are worth making the map of all anew.
const MANY: usize = 64;

/// What a snapshot is made by, beside the record: publishing may read it of every container, and records are strewn over the memory.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    /// Hash of its key.
    pub key: u64,
    pub mntns: u64,
    pub netns: u64,
    pub cgroup: u64,
    pub is_sandbox: bool,
    pub is_named: bool,
    pub host_network: bool,
    pub is_unit: bool,
    has_started: bool,
}

impl Marks {
    pub fn of(container: &Container, key: u64) -> Self {
        Marks {
            key,
            mntns: container.mntns,
            netns: container.netns,
            cgroup: container.cgroup_id,
            is_sandbox: container.sandbox,
            is_named: container.is_named(),
            host_network: container.host_network,
            is_unit: container.namespace == units::NAME,
            has_started: container.runtime.container_started_at != 0,
        }
    }
}

impl State {
    /// What readers get to see. Running containers win over ended ones where they share a number.
    pub fn snapshot(&mut self, generation: u64) -> Snapshot {
        let mut changes = std::mem::take(&mut self.changes);
        for key in &changes.keys.clone() {
            self.slots.get(key).into_iter().for_each(|slot| changes.note_numbers(slot));
        }
        self.published = Instant::now();
        self.share_networks(&changes);
        let before = std::mem::take(&mut self.index);
        self.index = self.answer(before, &changes);
        self.index.tidy();
        #[cfg(test)]
        self.check();
        Snapshot {
            generation,
            host_mntns: self.host_mntns,
            host_netns: self.host_netns,
            node: self.node.clone(),
            hasher: self.hasher.clone(),
            index: self.index.clone(),
        }
    }

    /// The index with the answers for what has changed.
    fn answer(&self, before: Index, changes: &Changes) -> Index {
        let mut index = if changes.all { before.emptied() } else { before };
        index.has_units = self.has_units && self.slots.values().any(|slot| slot.running && slot.marks.is_unit);
        let mut slots = self.concerned(changes);
        // Later insertions win: ended ones first, and by age among equals.
        slots.sort_unstable_by_key(|slot| (slot.running, slot.number));
        self.answer_numbers(&mut index, &slots, changes);
        list(&mut index, &slots, changes);
        index
    }

    /// The containers whose numbers have to be answered for anew: mostly only those that have changed.
    pub(super) fn concerned(&self, changes: &Changes) -> Vec<&Slot> {
        let changed: Vec<&Slot> = changes.keys.iter().filter_map(|key| self.slots.get(key)).collect();
        let mut users = Users::default();
        changed.iter().for_each(|slot| users.add(slot));
        match !changes.all && self.users.agree(&users, changes.numbers()) {
            true => changed,
            false => self.slots.values().filter(|slot| changes.concern(slot)).collect(),
        }
    }

    fn answer_numbers(&self, index: &mut Index, slots: &[&Slot], changes: &Changes) {
        let [mntns, netns, cgroups] = changes.numbers();
        let tables = [(&mut index.mntns, mntns), (&mut index.netns, netns), (&mut index.cgroups, cgroups)];
        for (table, numbers) in tables {
            numbers.iter().for_each(|number| table.remove(*number));
        }
        if mntns.iter().any(|mntns| index.doubtful.contains(mntns)) {
            Arc::make_mut(&mut index.doubtful).retain(|doubtful| !mntns.contains(doubtful));
        }
        for slot in slots.iter().filter(|slot| !slot.aliases.is_empty()) {
            let aliases = slot.aliases.iter().filter(|mntns| changes.has_mntns(**mntns));
            aliases.for_each(|mntns| index.mntns.insert(*mntns, slot.number));
        }
        slots.iter().for_each(|slot| add(index, slot, changes));
        for (netns, shared) in self.shared.iter().filter(|(netns, _)| changes.has_netns(**netns)) {
            index.netns.insert(*netns, shared.number);
        }
        index.mntns.remove(self.host_mntns);
    }

    /// Notes a new entry for those who read by its number.
    pub(super) fn remember(&mut self, number: u32, entry: &Arc<Entry>) {
        Arc::make_mut(&mut self.index.recent).insert(number, entry.clone());
    }

    /// Puts all entries that somebody may look for, replaced ones as well, into the map that snapshots share for long, when enough are new
    /// or were let go: numbers are never used again, so one that nothing leads to any more does no harm until then.
    pub(super) fn gather_older(&mut self) {
        let all = self.slots.len() + self.shared.len() + self.retired.len();
        let kept = self.index.recent.len() + self.index.older.len();
        if self.index.recent.len() < MANY && kept < all + MANY {
            return;
        }
        let slots = self.slots.values().map(|slot| (slot.number, slot.entry.clone()));
        let shared = self.shared.values().map(|shared| (shared.number, shared.entry.clone()));
        let retired = self.retired.iter().map(|(number, entry, _)| (*number, entry.clone()));
        let older: NumberMap<u32, Arc<Entry>> = slots.chain(shared).chain(retired).collect();
        self.index.older = Arc::new(older);
        self.index.recent = Arc::default();
    }

    /// Whether the answers to what has changed are those that looking at everything would have given.
    #[cfg(test)]
    fn check(&self) {
        let (patched, whole) = (&self.index, self.answer(Index::default(), &Changes::everything()));
        let sorted = |numbers: &[u32]| numbers.iter().copied().collect::<std::collections::BTreeSet<u32>>();
        let answers = |table: &Table| table.iter().collect::<std::collections::BTreeMap<u64, u32>>();
        assert_eq!(answers(&patched.mntns), answers(&whole.mntns));
        assert_eq!(patched.doubtful, whole.doubtful);
        assert_eq!(answers(&patched.netns), answers(&whole.netns));
        assert_eq!(answers(&patched.cgroups), answers(&whole.cgroups));
        assert_eq!(answers(&patched.keys), answers(&whole.keys));
        assert_eq!(sorted(&patched.running), sorted(&whole.running));
        assert_eq!(sorted(&patched.ended), sorted(&whole.ended));
        assert_eq!((patched.running.len(), patched.ended.len()), (whole.running.len(), whole.ended.len()));
        assert_eq!(patched.has_units, whole.has_units);
        let is_known = |number: &u32| patched.recent.contains_key(number) || patched.older.contains_key(number);
        assert!(
            [&whole.mntns, &whole.netns, &whole.cgroups, &whole.keys].iter().all(|table| table.iter().all(|(_, entry)| is_known(&entry)))
        );
        let mut users = Users::default();
        self.slots.values().for_each(|slot| users.add(slot));
        assert_eq!(self.users, users);
    }
}

/// Lets the numbers of a container lead to it, as far as they are to be answered for.
fn add(index: &mut Index, slot: &Slot, changes: &Changes) {
    let marks = &slot.marks;
    if changes.has_mntns(marks.mntns) {
        index.mntns.insert(marks.mntns, slot.number);
        if !slot.running && slot.held.is_none() {
            Arc::make_mut(&mut index.doubtful).insert(marks.mntns);
        }
    }
    if changes.has_cgroup(marks.cgroup) {
        index.cgroups.insert(marks.cgroup, slot.number);
    }
    // A pod's own container counts more than its pause container; what shares one is put in its place afterwards.
    let is_taken = || marks.is_sandbox && index.netns.get(marks.netns).is_some();
    if changes.has_netns(marks.netns) && !marks.host_network && !is_taken() {
        index.netns.insert(marks.netns, slot.number);
    }
}

/// Lists the containers that have changed by their keys, by whether they run, and by whether they have ended.
fn list(index: &mut Index, slots: &[&Slot], changes: &Changes) {
    let of_changed = |number: &u32| changes.entries.contains(number);
    for list in [&mut index.running, &mut index.ended] {
        if list.iter().any(of_changed) {
            Arc::make_mut(list).retain(|number| !of_changed(number));
        }
    }
    changes.gone.iter().for_each(|key| index.keys.remove(*key));
    for slot in slots.iter().filter(|slot| changes.all || changes.keys.contains(&slot.key)) {
        let is_shown = !slot.marks.is_sandbox;
        if index.keys.get(slot.marks.key) != Some(slot.number) {
            index.keys.insert(slot.marks.key, slot.number);
        }
        if is_shown && slot.running {
            Arc::make_mut(&mut index.running).push(slot.number);
        }
        if is_shown && !slot.running && slot.ended.is_some() && slot.marks.has_started {
            Arc::make_mut(&mut index.ended).push(slot.number);
        }
    }
}
