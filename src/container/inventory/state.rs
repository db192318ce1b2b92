//! The writer's side of the inventory: every container's phase, and how a snapshot is made of them.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::{GRACE, MAX_CONTAINERS};
use crate::batch::UNKNOWN_ENTRY;
use crate::container::record::{Container, Pod};
use crate::container::snapshot::{Entry, Snapshot};

/// Mount namespaces beside its own that a container may have at once (processes in it that unshared).
const MAX_ALIASES: usize = 16;

struct Slot {
    number: u32,
    entry: Arc<Entry>,
    running: bool,
    /// The runtime has it, running or not. False for one that was only seen in a cgroup path.
    known: bool,
    /// Since when it does not run any more, until it is let go.
    ended: Option<Instant>,
    /// When the runtime says it ended, in nanoseconds since the epoch; tells old news from new.
    finished_ns: i64,
    /// Keeps the kernel from giving the mount namespace's number to another one while it still names events.
    held: Option<OwnedFd>,
    aliases: Vec<(u64, Instant)>,
}

/// All containers. Methods only mark the state dirty when something changed.
pub(in crate::container) struct State {
    host_mntns: u64,
    node: Arc<str>,
    slots: HashMap<Arc<str>, Slot>,
    /// Replaced and removed entries, for batches whose first rows were named before the change and the last after it.
    retired: Vec<(u32, Arc<Entry>, Instant)>,
    next: u32,
    refused: u64,
    dirty: bool,
}

impl State {
    pub fn new(host_mntns: u64, node: Arc<str>) -> Self {
        State { host_mntns, node, slots: HashMap::new(), retired: Vec::new(), next: UNKNOWN_ENTRY + 1, refused: 0, dirty: false }
    }

    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    pub fn running(&self) -> usize {
        self.slots.values().filter(|s| s.running).count()
    }

    pub fn kept(&self) -> usize {
        self.slots.len()
    }

    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether the runtime has told of this container.
    pub fn knows(&self, id: &str) -> bool {
        self.slots.get(id).is_some_and(|s| s.known)
    }

    /// Notes a container that exists but is not known to run, so that its first process can be named. What was learnt
    /// from a process of it before is kept.
    pub fn register(&mut self, container: Container) {
        let slot = self.slots.get(container.runtime.container_id.as_str());
        if slot.is_some_and(|s| s.running && s.known) {
            return;
        }
        let running = slot.is_some_and(|s| s.running);
        let container = match slot.filter(|s| s.entry.container.mntns != 0) {
            Some(slot) => with_process_of(container, &slot.entry.container),
            None => container,
        };
        if let Some(slot) = self.put(container, running) {
            slot.known = true;
            if running {
                slot.ended = None;
            }
        }
    }

    /// Notes a running container with its namespaces. News older than its last end is ignored.
    pub fn start(&mut self, container: Container, held: Option<OwnedFd>) {
        let started = container.runtime.container_started_at;
        let stale = |s: &Slot| started != 0 && started <= s.finished_ns;
        if self.slots.get(container.runtime.container_id.as_str()).is_some_and(stale) {
            return;
        }
        if let Some(slot) = self.put(container, true) {
            slot.known = true;
            slot.ended = None;
            slot.held = held;
        }
    }

    /// Notes that a process with mount namespace `container.mntns` belongs to a container whose start was not told yet.
    /// Returns its entry, or `None` when there is no room.
    pub fn seen(&mut self, container: Container, held: Option<OwnedFd>, now: Instant) -> Option<u32> {
        let id = container.runtime.container_id.clone();
        let (alias, container) = match self.slots.get(id.as_str()) {
            Some(slot) if slot.running && slot.entry.container.mntns != 0 => (true, container),
            Some(slot) => (false, with_process_of(slot.entry.container.clone(), &container)),
            None => (false, container),
        };
        if alias {
            return self.alias(&id, container.mntns, now);
        }
        let slot = self.put(container, true)?;
        slot.held = held;
        slot.ended = None;
        Some(slot.number)
    }

    fn alias(&mut self, id: &str, mntns: u64, now: Instant) -> Option<u32> {
        let slot = self.slots.get_mut(id)?;
        if slot.entry.container.mntns != mntns && slot.aliases.len() < MAX_ALIASES && !slot.aliases.iter().any(|a| a.0 == mntns) {
            slot.aliases.push((mntns, now));
            self.dirty = true;
        }
        Some(slot.number)
    }

    pub fn set_pod(&mut self, pod: Pod) {
        let of_pod = |s: &&Slot| s.entry.container.k8s.pod_uid == pod.uid;
        let members: Vec<(Container, bool)> = self.slots.values().filter(of_pod).map(|s| (s.entry.container.clone(), s.running)).collect();
        for (mut container, running) in members {
            container.k8s.pod_labels.clone_from(&pod.labels);
            container.k8s.pod_annotations.clone_from(&pod.annotations);
            container.k8s.owners.clone_from(&pod.owners);
            container.k8s.pod_ip.clone_from(&pod.ip);
            self.put(container, running);
        }
    }

    pub fn set_node(&mut self, name: &str) {
        if *self.node != *name {
            self.node = name.into();
            self.dirty = true;
        }
    }

    pub fn forget_pod(&mut self, _uid: &str) {}

    /// Notes that a container ended at `unix_ns` (0: unknown). Events from before its last start are ignored.
    pub fn end(&mut self, id: &str, unix_ns: i64, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if unix_ns != 0 && slot.entry.container.runtime.container_started_at > unix_ns {
            return;
        }
        slot.finished_ns = slot.finished_ns.max(unix_ns);
        self.stop(id, now);
    }

    /// Notes that a container does not run any more.
    pub fn stop(&mut self, id: &str, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if slot.running {
            slot.running = false;
            slot.ended = Some(now);
            self.dirty = true;
        }
    }

    /// Notes that a container was deleted.
    pub fn forget(&mut self, id: &str, now: Instant) {
        self.stop(id, now);
        if let Some(slot) = self.slots.get_mut(id) {
            slot.known = false;
            slot.ended.get_or_insert(now);
        }
    }

    /// Gives a container a new name.
    pub fn rename(&mut self, id: &str, name: &str) {
        let Some(slot) = self.slots.get(id) else { return };
        let mut container = slot.entry.container.clone();
        container.runtime.container_name = name.to_owned();
        let running = slot.running;
        self.put(container, running);
    }

    /// After a full listing: whatever of `runtime` is not in `listed` has been deleted, whatever not in `running` stopped.
    pub fn retain(&mut self, runtime: &str, listed: &HashSet<String>, running: &HashSet<String>, now: Instant) {
        let of_runtime = |s: &&Slot| s.known && s.entry.container.runtime.runtime_name == runtime;
        let ids: Vec<String> = self.slots.values().filter(of_runtime).map(|s| s.entry.container.runtime.container_id.clone()).collect();
        for id in ids {
            if !listed.contains(&id) {
                self.forget(&id, now);
            } else if !running.contains(&id) {
                self.stop(&id, now);
            }
        }
    }

    /// Lets go of what ended [`GRACE`] ago, and of what was seen in a cgroup path so long ago and never confirmed.
    pub fn sweep(&mut self, now: Instant) {
        let over = |since: Instant| now.saturating_duration_since(since) >= GRACE;
        let mut stopped = Vec::new();
        let before = self.slots.len();
        // Nobody misses these, so their going is no change.
        self.retired.retain(|(_, _, since)| !over(*since));
        self.slots.retain(|_, slot| {
            let aliases = slot.aliases.len();
            slot.aliases.retain(|(_, since)| !over(*since));
            self.dirty |= aliases != slot.aliases.len();
            match slot.ended {
                Some(since) if over(since) && !slot.known => {
                    self.retired.push((slot.number, slot.entry.clone(), now));
                    return false;
                }
                Some(since) if over(since) => stopped.push(slot.entry.container.clone()),
                // Never confirmed by a runtime: let it be looked up again.
                None if !slot.known => slot.ended = Some(now),
                _ => {}
            }
            true
        });
        self.dirty |= before != self.slots.len();
        stopped.into_iter().for_each(|container| self.rest(container));
    }

    /// Turns a stopped container's record into one without a process.
    fn rest(&mut self, mut container: Container) {
        container = Container { runtime: container.runtime, k8s: container.k8s, labels: container.labels, ..Container::default() };
        container.runtime.container_pid = 0;
        if let Some(slot) = self.put(container, false) {
            slot.ended = None;
            slot.held = None;
        }
    }

    /// Stores a record, under a new number if it differs from what is there. `None` when there is no room.
    fn put(&mut self, container: Container, running: bool) -> Option<&mut Slot> {
        let id: Arc<str> = container.runtime.container_id.as_str().into();
        let known = self.slots.get(&id);
        let same = known.is_some_and(|s| s.entry.container == container);
        if !same {
            let full = known.is_none() && self.slots.len() >= MAX_CONTAINERS;
            let Some(next) = self.next.checked_add(1).filter(|_| !full) else {
                self.refused += 1;
                return None;
            };
            let number = std::mem::replace(&mut self.next, next);
            let entry = Arc::new(Entry::new(container));
            let slot = self.slots.entry(id.clone()).or_insert_with(|| Slot::new(number, entry.clone()));
            if slot.number != number {
                self.retired.push((slot.number, slot.entry.clone(), Instant::now()));
            }
            (slot.number, slot.entry) = (number, entry);
        }
        let slot = self.slots.get_mut(&id)?;
        self.dirty |= !same || slot.running != running;
        slot.running = running;
        Some(slot)
    }

    /// What readers get to see. Running containers win over ended ones where they share a number.
    pub fn snapshot(&self, generation: u64) -> Snapshot {
        let mut snapshot = Snapshot { generation, host_mntns: self.host_mntns, node: self.node.clone(), ..Snapshot::default() };
        let mut slots: Vec<(&Arc<str>, &Slot)> = self.slots.iter().collect();
        snapshot.entries.extend(self.retired.iter().map(|(number, entry, _)| (*number, entry.clone())));
        // Later insertions win: ended ones first, and by age among equals.
        slots.sort_by_key(|(_, s)| (s.running, s.number));
        for (_, slot) in &slots {
            for (mntns, _) in &slot.aliases {
                snapshot.mntns.insert(*mntns, slot.number);
            }
        }
        for (id, slot) in slots {
            add(&mut snapshot, id, slot);
        }
        snapshot.mntns.remove(&self.host_mntns);
        snapshot
    }
}

impl Slot {
    fn new(number: u32, entry: Arc<Entry>) -> Self {
        Slot { number, entry, running: false, known: false, ended: None, finished_ns: 0, held: None, aliases: Vec::new() }
    }
}

fn add(snapshot: &mut Snapshot, id: &Arc<str>, slot: &Slot) {
    let container = &slot.entry.container;
    snapshot.entries.insert(slot.number, slot.entry.clone());
    snapshot.ids.insert(id.clone(), slot.number);
    if container.mntns != 0 {
        snapshot.mntns.insert(container.mntns, slot.number);
    }
    if container.cgroup_id != 0 {
        snapshot.cgroups.insert(container.cgroup_id, slot.number);
    }
    if slot.running {
        snapshot.running.push(slot.number);
        if container.netns != 0 && !container.host_network {
            let shared = snapshot.netns.contains_key(&container.netns);
            snapshot.netns.insert(container.netns, if shared { UNKNOWN_ENTRY } else { slot.number });
        }
    }
}

/// The record `container` with the process side (namespaces, cgroup) of `other`.
fn with_process_of(mut container: Container, other: &Container) -> Container {
    container.runtime.container_pid = other.runtime.container_pid;
    (container.mntns, container.netns, container.host_network) = (other.mntns, other.netns, other.host_network);
    container.cgroup_path.clone_from(&other.cgroup_path);
    container.cgroup_id = other.cgroup_id;
    container.cgroup_v1.clone_from(&other.cgroup_v1);
    container.cgroup_v2.clone_from(&other.cgroup_v2);
    container
}
