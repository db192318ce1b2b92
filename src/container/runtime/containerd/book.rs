//! Writes what containerd tells into the inventory, with what the first process of each container shows.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use super::bundle;
use super::ids::Ids;
use crate::container::inventory::Inventory;
use crate::container::process;
use crate::container::record::Container;
use crate::kernel::procfs;

/// A process of a container that is about to be written to the inventory.
pub(super) struct First {
    pub pid: u32,
    /// When it was started, in nanoseconds since the Unix epoch; 0 when nobody told.
    pub unix_ns: i64,
    /// Folder of its bundle; empty when nobody told.
    pub bundle: String,
}

/// A container that is ready for the inventory.
pub(super) struct Ready {
    pub container: Container,
    /// Whether it runs, and what keeps its mount namespace.
    held: Option<Option<OwnedFd>>,
}

/// See the module.
pub(super) struct Book<'a> {
    pub inventory: &'a Inventory,
    /// Socket of containerd, near which its bundles are.
    socket: &'a Path,
    ids: Ids,
}

impl<'a> Book<'a> {
    pub fn new(inventory: &'a Inventory, socket: &'a Path) -> Self {
        Book { inventory, socket, ids: Ids::default() }
    }

    /// Completes a record by what is known of its first process.
    pub fn prepare(&mut self, namespace: &str, mut container: Container, first: Option<First>) -> Ready {
        let id = container.runtime.container_id.clone();
        container.runtime.container_id = self.ids.of(namespace, &id);
        let told = first.as_ref().map(|first| first.bundle.clone()).filter(|bundle| !bundle.is_empty());
        container.bundle = told.or_else(|| bundle::find(self.socket, namespace, &id)).unwrap_or_default();
        let Some(First { pid, unix_ns, .. }) = first.filter(|first| first.pid != 0) else { return Ready { container, held: None } };
        let Ok(held) = process::inspect(&mut container, pid) else { return Ready { container, held: None } };
        container.runtime.container_started_at = match unix_ns {
            0 => self.started_at(&container).or_else(|| procfs::started_at(pid).ok()).unwrap_or(0),
            told => told,
        };
        Ready { container, held: Some(held) }
    }

    /// When the inventory thinks that this very process was started.
    fn started_at(&self, container: &Container) -> Option<i64> {
        let known = self.known(&container.runtime.container_id)?;
        let same = known.runtime.container_pid == container.runtime.container_pid && known.mntns == container.mntns;
        Some(known.runtime.container_started_at).filter(|ns| same && *ns != 0)
    }

    /// The process of a container that the inventory has as running, if it knows that process.
    pub fn process_of(&mut self, namespace: &str, id: &str) -> Option<First> {
        let key = self.ids.of(namespace, id);
        let known = self.known(&key).filter(|known| known.runtime.container_pid != 0)?;
        Some(First { pid: known.runtime.container_pid, unix_ns: 0, bundle: known.bundle })
    }

    fn known(&self, id: &str) -> Option<Container> {
        let snapshot = self.inventory.snapshot();
        snapshot.by_id(id).and_then(|entry| snapshot.container(entry)).cloned()
    }

    /// Writes containers to the inventory, all in one change.
    pub fn write(&self, ready: Vec<Ready>) {
        self.inventory.update(|state| {
            for Ready { container, held } in ready {
                match held {
                    Some(held) => state.start(container, held),
                    // Not started yet, or over already: name and image are worth having all the same.
                    None => state.register(container),
                }
            }
        });
    }

    /// Notes that a container's first process ended.
    pub fn end(&mut self, namespace: &str, id: &str, unix_ns: i64) {
        let key = self.ids.of(namespace, id);
        self.inventory.update(|state| state.end(&key, unix_ns, Instant::now()));
    }

    /// Notes that a container's record was deleted.
    pub fn forget(&mut self, namespace: &str, id: &str) {
        let key = self.ids.release(namespace, id);
        self.inventory.update(|state| state.forget(&key, Instant::now()));
    }

    /// Forgets the ids of all containers but these.
    pub fn retain_ids(&mut self, kept: impl Fn(&str) -> bool) {
        self.ids.retain(kept);
    }
}
