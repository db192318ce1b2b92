//! How a snapshot is made of the state: who answers for which mount namespace, network namespace and cgroup.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::{Slot, State};
use crate::container::hash::NumberMap;
use crate::container::record::Container;
use crate::container::snapshot::{Entry, Snapshot};
use crate::container::units;

/// What a snapshot is made by, beside the record: publishing reads it of every container, where records are strewn over the memory.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    /// Hash of its key.
    pub key: u64,
    pub mntns: u64,
    pub netns: u64,
    pub cgroup: u64,
    pub is_sandbox: bool,
    pub is_named: bool,
    host_network: bool,
    is_unit: bool,
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

/// The entry of a network namespace that several containers are in.
pub(super) struct Shared {
    members: Vec<u32>,
    number: u32,
    entry: Arc<Entry>,
}

impl State {
    /// What readers get to see. Running containers win over ended ones where they share a number.
    pub fn snapshot(&mut self, generation: u64) -> Snapshot {
        self.share_networks();
        let mut snapshot = Snapshot {
            generation,
            host_mntns: self.host_mntns,
            host_netns: self.host_netns,
            node: self.node.clone(),
            hasher: self.hasher.clone(),
            ..Snapshot::default()
        };
        let mut slots: Vec<&Slot> = self.slots.values().collect();
        let (older, entries) = &self.older;
        snapshot.older = entries.clone();
        snapshot.reserve(slots.len());
        snapshot.entries.extend(self.entries().filter(|(number, _)| number >= older).map(|(number, entry)| (number, entry.clone())));
        // Later insertions win: ended ones first, and by age among equals.
        slots.sort_unstable_by_key(|s| (s.running, s.number));
        for slot in slots.iter().filter(|slot| !slot.aliases.is_empty()) {
            snapshot.mntns.extend(slot.aliases.iter().map(|mntns| (*mntns, slot.number)));
        }
        slots.into_iter().for_each(|slot| add(&mut snapshot, slot));
        for (netns, shared) in &self.shared {
            snapshot.netns.insert(*netns, shared.number);
        }
        snapshot.mntns.remove(&self.host_mntns);
        snapshot
    }

    /// All entries that somebody may look for, replaced ones as well.
    fn entries(&self) -> impl Iterator<Item = (u32, &Arc<Entry>)> {
        let slots = self.slots.values().map(|slot| (slot.number, &slot.entry));
        let shared = self.shared.values().map(|shared| (shared.number, &shared.entry));
        slots.chain(shared).chain(self.retired.iter().map(|(number, entry, _)| (*number, entry)))
    }

    /// Puts all entries into the map that snapshots share, if there are new ones or some were let go: numbers are never used again, so one
    /// that nothing leads to any more does no harm until then.
    pub(super) fn gather_older(&mut self) {
        let all = self.slots.len() + self.shared.len() + self.retired.len();
        if (self.older.0, self.older.1.len()) != (self.next, all) {
            self.older = (self.next, Arc::new(self.entries().map(|(number, entry)| (number, entry.clone())).collect()));
        }
    }

    /// Keeps an entry for each network namespace with several containers: what they have in common, as the pod's names.
    fn share_networks(&mut self) {
        let is_sharing = |s: &&Slot| s.running && s.marks.netns != 0 && !s.marks.host_network && !s.marks.is_sandbox;
        let sharing = || self.slots.values().filter(is_sharing);
        let mut members: NumberMap<u64, u32> = NumberMap::default();
        members.reserve(self.slots.len());
        sharing().for_each(|slot| *members.entry(slot.marks.netns).or_default() += 1);
        let mut by_netns: HashMap<u64, Vec<(u32, Arc<Entry>)>> = HashMap::new();
        for slot in sharing().filter(|slot| members.get(&slot.marks.netns).is_some_and(|count| *count > 1)) {
            by_netns.entry(slot.marks.netns).or_default().push((slot.number, slot.entry.clone()));
        }
        let mut before = std::mem::take(&mut self.shared);
        for (netns, mut members) in by_netns {
            members.sort_unstable_by_key(|(number, _)| *number);
            let numbers: Vec<u32> = members.iter().map(|(number, _)| *number).collect();
            let shared = match before.remove(&netns) {
                Some(shared) if shared.members == numbers => Some(shared),
                other => {
                    self.retired.extend(other.map(|old| (old.number, old.entry, Instant::now())));
                    self.number().map(|number| {
                        let entry = Arc::new(Entry::group(in_common(&members), Instant::now()));
                        Shared { members: numbers, number, entry }
                    })
                }
            };
            self.shared.extend(shared.map(|shared| (netns, shared)));
        }
        self.retired.extend(before.into_values().map(|old| (old.number, old.entry, Instant::now())));
    }
}

fn add(snapshot: &mut Snapshot, slot: &Slot) {
    let marks = &slot.marks;
    snapshot.keys.insert(marks.key, slot.number);
    if marks.mntns != 0 {
        snapshot.mntns.insert(marks.mntns, slot.number);
        if !slot.running && slot.held.is_none() {
            snapshot.doubtful.insert(marks.mntns);
        }
    }
    if marks.cgroup != 0 {
        snapshot.cgroups.insert(marks.cgroup, slot.number);
    }
    snapshot.has_units |= slot.running && marks.is_unit;
    if slot.running && !marks.is_sandbox {
        snapshot.running.push(slot.number);
    }
    if slot.ended.is_some() && !slot.running && !marks.is_sandbox && marks.has_started {
        snapshot.ended.push(slot.number);
    }
    // A pod's own container counts more than its pause container; what shares one is put in its place afterwards.
    let is_taken = || marks.is_sandbox && snapshot.netns.contains_key(&marks.netns);
    if marks.netns != 0 && !marks.host_network && !is_taken() {
        snapshot.netns.insert(marks.netns, slot.number);
    }
}

/// What all members say alike; empty where they differ.
fn in_common(members: &[(u32, Arc<Entry>)]) -> Container {
    let mut members = members.iter().map(|(_, entry)| &entry.container);
    let mut common = members.next().cloned().unwrap_or_default();
    common.runtime.container_pid = 0;
    common.runtime.container_started_at = 0;
    (common.mntns, common.cgroup_id) = (0, 0);
    for member in members {
        let pairs = [
            (&mut common.runtime.runtime_name, &member.runtime.runtime_name),
            (&mut common.runtime.container_id, &member.runtime.container_id),
            (&mut common.runtime.container_name, &member.runtime.container_name),
            (&mut common.runtime.container_image_name, &member.runtime.container_image_name),
            (&mut common.runtime.container_image_id, &member.runtime.container_image_id),
            (&mut common.runtime.container_image_digest, &member.runtime.container_image_digest),
            (&mut common.k8s.namespace, &member.k8s.namespace),
            (&mut common.k8s.pod_name, &member.k8s.pod_name),
            (&mut common.k8s.container_name, &member.k8s.container_name),
            (&mut common.k8s.pod_uid, &member.k8s.pod_uid),
            (&mut common.sandbox_id, &member.sandbox_id),
        ];
        for (to, other) in pairs {
            if to != other {
                to.clear();
            }
        }
        keep_common(&mut common.k8s.pod_labels, &member.k8s.pod_labels);
        keep_common(&mut common.k8s.pod_annotations, &member.k8s.pod_annotations);
        keep_common(&mut common.labels, &member.labels);
        if common.k8s.owners != member.k8s.owners {
            common.k8s.owners.clear();
        }
    }
    common.cgroup_path.clear();
    common.cgroup_v1.clear();
    common.cgroup_v2.clear();
    common
}

fn keep_common(to: &mut BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    to.retain(|key, value| other.get(key) == Some(value));
}
