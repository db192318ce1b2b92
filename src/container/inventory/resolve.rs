//! Naming a mount namespace that no runtime has told of yet, by the cgroup of a process in it.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Inventory;
use crate::container::process::{self, CgroupOwner};
use crate::kernel::procfs;

impl Inventory {
    /// The entry of the container that process `pid` with mount namespace `mntns` is in, or `None` when it is in none or gone.
    ///
    /// Reads a few files below `/proc`: for the first event of a namespace, never for each.
    pub fn resolve(&self, mntns: u64, pid: u32) -> Option<u32> {
        let entry = self.look_up(mntns, pid);
        let counter = if entry.is_some() { &self.resolved } else { &self.unresolved };
        counter.fetch_add(1, Ordering::Relaxed);
        entry
    }

    fn look_up(&self, mntns: u64, pid: u32) -> Option<u32> {
        if process::host_mntns() == 0 {
            // A process that the OCI runtime has not moved yet could not be told from the container's.
            return None;
        }
        let owners = process::owners(&procfs::cgroups(pid).ok()?);
        let known = |owner: &&CgroupOwner| self.snapshot().by_id(&owner.id).is_some();
        // An engine inside a container names what only it knows: then the outer container is the answer.
        let owner = owners.iter().find(known).or(owners.first())?;
        let mut container = owner.container();
        let held = process::inspect(&mut container, pid).ok()?;
        // The process may have changed its namespace, or its number may be another's by now.
        if container.mntns != mntns {
            return None;
        }
        // Any process of the container, not necessarily its first.
        container.runtime.container_pid = 0;
        self.update(|state| state.seen(container, held, Instant::now()))
    }
}
