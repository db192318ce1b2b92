//! Network namespaces with several containers: an entry of its own for what those have in common.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::changes::Changes;
use super::{Slot, State};
use crate::container::hash::NumberMap;
use crate::container::record::Container;
use crate::container::snapshot::Entry;

/// The entry of a network namespace that several containers are in.
pub(super) struct Shared {
    members: Vec<u32>,
    pub number: u32,
    pub entry: Arc<Entry>,
}

impl State {
    /// Keeps an entry for each network namespace with several containers: what they have in common, as the pod's names.
    pub(super) fn share_networks(&mut self, changes: &Changes) {
        let is_sharing = |s: &&&Slot| s.running && changes.has_netns(s.marks.netns) && !s.marks.host_network && !s.marks.is_sandbox;
        let concerned = self.concerned(changes);
        let sharing = || concerned.iter().filter(is_sharing);
        let mut members: NumberMap<u64, u32> = NumberMap::default();
        sharing().for_each(|slot| *members.entry(slot.marks.netns).or_default() += 1);
        let mut by_netns: HashMap<u64, Vec<(u32, Arc<Entry>)>> = HashMap::new();
        for slot in sharing().filter(|slot| members.get(&slot.marks.netns).is_some_and(|count| *count > 1)) {
            by_netns.entry(slot.marks.netns).or_default().push((slot.number, slot.entry.clone()));
        }
        let mut before: HashMap<u64, Shared> = self.shared.extract_if(|netns, _| changes.has_netns(*netns)).collect();
        for (netns, mut members) in by_netns {
            members.sort_unstable_by_key(|(number, _)| *number);
            let old = before.remove(&netns);
            let shared = self.share(members, old);
            self.shared.extend(shared.map(|shared| (netns, shared)));
        }
        self.retired.extend(before.into_values().map(|old| (old.number, old.entry, Instant::now())));
    }

    fn share(&mut self, members: Vec<(u32, Arc<Entry>)>, old: Option<Shared>) -> Option<Shared> {
        let numbers: Vec<u32> = members.iter().map(|(number, _)| *number).collect();
        let old = match old {
            Some(shared) if shared.members == numbers => return Some(shared),
            other => other,
        };
        self.retired.extend(old.map(|old| (old.number, old.entry, Instant::now())));
        let number = self.number()?;
        let entry = Arc::new(Entry::group(in_common(&members), Instant::now()));
        self.remember(number, &entry);
        Some(Shared { members: numbers, number, entry })
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
