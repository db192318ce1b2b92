//! The inventory at one moment: immutable, shared, and the dictionary of every enriched column.

use std::collections::HashMap;
use std::sync::Arc;

use super::hash::NumberMap;
use super::record::Container;
use crate::batch::UNKNOWN_ENTRY;

/// One version of a container's record. A changed record is another entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub container: Container,
    /// `k=v,k=v`, sorted by key.
    pub pod_labels: String,
}

impl Entry {
    pub fn new(container: Container) -> Self {
        let labels = container.k8s.pod_labels.iter();
        let pod_labels = labels.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",");
        Entry { container, pod_labels }
    }
}

/// The inventory at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) generation: u64,
    pub(super) host_mntns: u64,
    pub(super) node: Arc<str>,
    pub(super) entries: NumberMap<u32, Arc<Entry>>,
    pub(super) mntns: NumberMap<u64, u32>,
    /// [`UNKNOWN_ENTRY`] stands for a namespace that several containers share.
    pub(super) netns: NumberMap<u64, u32>,
    pub(super) cgroups: NumberMap<u64, u32>,
    pub(super) ids: HashMap<Arc<str>, u32>,
    pub(super) running: Vec<u32>,
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
        self.mntns.get(&mntns).copied()
    }

    /// The entry of the only container with this network namespace.
    pub fn by_netns(&self, netns: u64) -> Option<u32> {
        self.netns.get(&netns).copied().filter(|entry| *entry != UNKNOWN_ENTRY)
    }

    /// The entry of the container with this cgroup v2 id.
    pub fn by_cgroup(&self, cgroup: u64) -> Option<u32> {
        self.cgroups.get(&cgroup).copied()
    }

    /// The entry of the container with this id.
    pub fn by_id(&self, id: &str) -> Option<u32> {
        self.ids.get(id).copied()
    }

    /// The record behind an entry.
    pub fn container(&self, entry: u32) -> Option<&Container> {
        self.entries.get(&entry).map(|e| &e.container)
    }

    /// The containers that run now, in no order.
    pub fn running(&self) -> impl Iterator<Item = &Container> {
        self.running.iter().filter_map(|entry| self.container(*entry))
    }
}
