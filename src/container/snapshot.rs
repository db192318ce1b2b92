//! The inventory at one moment: immutable, shared, and the dictionary of every enriched column.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::index::Index;
use super::record::Container;
use crate::batch::UNKNOWN_ENTRY;

/// How long after it was first heard of a container is expected to get a name.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The entry of what belongs to some container of which nobody can tell which.
pub const UNNAMED_ENTRY: u32 = UNKNOWN_ENTRY + 1;

/// Whether a container has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It has one.
    Named,
    /// It has none yet.
    Open,
    /// None came in time.
    Nameless,
}

/// One version of a container's record. A changed record is another entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub container: Container,
    /// When the container was first heard of.
    pub since: Instant,
    /// Whether its runtime has told of it. Until then labels, image and more may still come.
    pub told: AtomicBool,
    /// `k=v,k=v`, sorted by key.
    pub pod_labels: String,
    /// It stands for several containers: what they have in common.
    pub is_group: bool,
}

impl Entry {
    pub fn new(container: Container, since: Instant) -> Self {
        let labels = container.k8s.pod_labels.iter();
        let pod_labels = labels.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",");
        Entry { container, since, told: AtomicBool::new(false), pod_labels, is_group: false }
    }

    /// What several containers have in common.
    pub fn group(container: Container, since: Instant) -> Self {
        Entry { is_group: true, ..Entry::new(container, since) }
    }
}

/// The inventory at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) generation: u64,
    pub(super) host_mntns: u64,
    pub(super) host_netns: u64,
    pub(super) node: Arc<str>,
    pub(super) hasher: RandomState,
    pub(super) index: Index,
}

impl Snapshot {
    /// Grows with every change of the inventory.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Inode of the mount namespace of process 1; 0 when unknown.
    pub fn host_mntns(&self) -> u64 {
        self.host_mntns
    }

    /// Name of the Kubernetes node; empty outside Kubernetes.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The entry of the container with this mount namespace.
    pub fn by_mntns(&self, mntns: u64) -> Option<u32> {
        self.index.mntns.get(mntns)
    }

    /// Whether the kernel may have given this number to another mount namespace meanwhile, so that it has to be asked.
    pub fn is_doubtful(&self, mntns: u64) -> bool {
        self.index.doubtful.contains(&mntns)
    }

    /// The entry of the container with this network namespace; of several, what they have in common.
    pub fn by_netns(&self, netns: u64) -> Option<u32> {
        self.index.netns.get(netns)
    }

    /// The entry of the container with this cgroup v2 id.
    pub fn by_cgroup(&self, cgroup: u64) -> Option<u32> {
        self.index.cgroups.get(cgroup)
    }

    /// The entry of the container with this key (see [`Container::key`]), which is mostly its id.
    pub fn by_id(&self, key: &str) -> Option<u32> {
        let entry = self.index.keys.get(self.hasher.hash_one(key));
        entry.filter(|entry| self.container(*entry).is_some_and(|container| container.key() == key))
    }

    /// Whether all is known of an entry that a selector may ask for, or no more will come: [`PATIENCE`] has passed.
    pub fn is_settled(&self, entry: u32, now: Instant) -> bool {
        self.naming(entry, now, true) != Naming::Open
    }

    /// What is known of an entry's name at this moment. A `thorough` answer is open as well until the runtime has told all.
    pub fn naming(&self, entry: u32, now: Instant, thorough: bool) -> Naming {
        let Some(e) = self.entry(entry) else { return Naming::Nameless };
        let is_named = e.is_group || e.container.is_named();
        let is_told = !thorough || e.is_group || e.told.load(Ordering::Relaxed);
        match now.saturating_duration_since(e.since) < PATIENCE {
            true if !(is_named && is_told) => Naming::Open,
            _ if is_named => Naming::Named,
            _ => Naming::Nameless,
        }
    }

    /// The mount namespaces of the containers that run, each with its entry; those of pods' pause containers are left out.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = (u64, u32)> {
        let running: HashSet<u32> = self.index.running.iter().copied().collect();
        self.index.mntns.iter().filter(move |(_, entry)| running.contains(entry))
    }

    /// Whether the container of an entry runs.
    pub fn is_running(&self, entry: u32) -> bool {
        self.index.running.contains(&entry)
    }

    /// Whether an entry stands for several containers in one network namespace.
    pub fn is_group(&self, entry: u32) -> bool {
        self.entry(entry).is_some_and(|e| e.is_group)
    }

    /// Whether units of systemd are among the containers, which processes in the host's namespaces belong to.
    pub fn has_units(&self) -> bool {
        self.index.has_units
    }

    /// Inode of the network namespace of process 1; 0 when unknown.
    pub fn host_netns(&self) -> u64 {
        self.host_netns
    }

    pub(super) fn entry(&self, number: u32) -> Option<&Entry> {
        self.index.recent.get(&number).or_else(|| self.index.older.get(&number)).map(|entry| &**entry)
    }

    /// The record behind an entry.
    pub fn container(&self, entry: u32) -> Option<&Container> {
        self.entry(entry).map(|e| &e.container)
    }

    /// The containers that run now, those of pods that only hold its namespaces included.
    pub(super) fn running_or_sandbox(&self) -> impl Iterator<Item = &Container> {
        let sandboxes = self.index.keys.iter().filter_map(|(_, entry)| self.container(entry)).filter(|c| c.sandbox && c.mntns != 0);
        self.running().chain(sandboxes)
    }

    /// Containers that ran and ended within the grace time, in no order.
    pub fn ended(&self) -> impl Iterator<Item = &Container> {
        self.index.ended.iter().filter_map(|entry| self.container(*entry))
    }

    /// The containers that run now, in no order.
    pub fn running(&self) -> impl Iterator<Item = &Container> {
        self.index.running.iter().filter_map(|entry| self.container(*entry))
    }
}
