//! How a snapshot is made of the state: who answers for which mount namespace, network namespace and cgroup.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::{Slot, State};
use crate::container::hash::NumberMap;
use crate::container::record::Container;
use crate::container::snapshot::{Entry, Snapshot};
use crate::container::units;

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
            ..Snapshot::default()
        };
        let mut slots: Vec<(&Arc<str>, &Slot)> = self.slots.iter().collect();
        let recent = self.retired.get(self.older.0..).unwrap_or_default();
        snapshot.older = self.older.1.clone();
        snapshot.reserve(slots.len(), recent.len());
        snapshot.entries.extend(recent.iter().map(|(number, entry, _)| (*number, entry.clone())));
        // Later insertions win: ended ones first, and by age among equals.
        slots.sort_unstable_by_key(|(_, s)| (s.running, s.number));
        for (_, slot) in &slots {
            snapshot.mntns.extend(slot.aliases.iter().map(|mntns| (*mntns, slot.number)));
        }
        for (key, slot) in slots {
            add(&mut snapshot, key, slot);
        }
        for (netns, shared) in &self.shared {
            snapshot.netns.insert(*netns, shared.number);
            snapshot.entries.insert(shared.number, shared.entry.clone());
        }
        snapshot.mntns.remove(&self.host_mntns);
        snapshot
    }

    /// Keeps an entry for each network namespace with several containers: what they have in common, as the pod's names.
    fn share_networks(&mut self) {
        let is_sharing = |s: &&Slot| {
            let container = &s.entry.container;
            s.running && container.netns != 0 && !container.host_network && !container.sandbox
        };
        let sharing = || self.slots.values().filter(is_sharing);
        let mut members: NumberMap<u64, u32> = NumberMap::default();
        members.reserve(self.slots.len());
        sharing().for_each(|slot| *members.entry(slot.entry.container.netns).or_default() += 1);
        let mut by_netns: HashMap<u64, Vec<(u32, Arc<Entry>)>> = HashMap::new();
        for slot in sharing().filter(|slot| members.get(&slot.entry.container.netns).is_some_and(|count| *count > 1)) {
            by_netns.entry(slot.entry.container.netns).or_default().push((slot.number, slot.entry.clone()));
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

fn add(snapshot: &mut Snapshot, key: &Arc<str>, slot: &Slot) {
    let container = &slot.entry.container;
    snapshot.entries.insert(slot.number, slot.entry.clone());
    snapshot.keys.insert(key.clone(), slot.number);
    if container.mntns != 0 {
        snapshot.mntns.insert(container.mntns, slot.number);
        if !slot.running && slot.held.is_none() {
            snapshot.doubtful.insert(container.mntns);
        }
    }
    if container.cgroup_id != 0 {
        snapshot.cgroups.insert(container.cgroup_id, slot.number);
    }
    snapshot.has_units |= slot.running && container.namespace == units::NAME;
    if slot.running && !container.sandbox {
        snapshot.running.push(slot.number);
    }
    if slot.ended.is_some() && !slot.running && !container.sandbox && container.runtime.container_started_at != 0 {
        snapshot.ended.push(slot.number);
    }
    // A pod's own container counts more than its pause container; what shares one is put in its place afterwards.
    let is_taken = || container.sandbox && snapshot.netns.contains_key(&container.netns);
    if container.netns != 0 && !container.host_network && !is_taken() {
        snapshot.netns.insert(container.netns, slot.number);
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
