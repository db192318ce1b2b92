//! Naming a mount namespace or a process that no runtime has told of yet: by what the kernel's watcher saw, else by `/proc`.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::Inventory;
use crate::container::process::{self, CgroupOwner};
use crate::container::record::Container;
use crate::container::sighting::{Admission, Cgroups, KernelTable};
use crate::kernel::procfs;

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The container of this entry.
    Container(u32),
    /// The host: it has namespaces of its own perhaps, but is in no container.
    Host,
    /// Nobody can tell: the process is gone, and nothing was told of it.
    Unknown,
}

impl Inventory {
    /// Whose a mount namespace is that no runtime has told of, by process `pid` in it (0: not known).
    ///
    /// Asks the kernel's watcher, or reads a few files below `/proc`: for the first event of a namespace, never for each.
    pub fn resolve(&self, mntns: u64, pid: u32) -> Owner {
        let owner = self.look_up(mntns, pid);
        let counter = if matches!(owner, Owner::Container(_)) { &self.resolved } else { &self.unresolved };
        counter.fetch_add(1, Ordering::Relaxed);
        owner
    }

    /// Whose a process is, by its cgroup alone: for namespaces that are shared.
    pub fn resolve_process(&self, pid: u32) -> Owner {
        self.catch_up();
        if let Some(cgroup) = self.table.get().and_then(|table| table.cgroup_of_process(pid)) {
            let path = self.cgroups().path(cgroup);
            return self.entry_in(path.as_deref().unwrap_or_default(), cgroup);
        }
        match procfs::cgroups(pid) {
            Ok(lines) => {
                process::paths(&lines).iter().map(|path| self.entry_in(path, 0)).find(|o| *o != Owner::Host).unwrap_or(Owner::Host)
            }
            Err(_) => Owner::Unknown,
        }
    }

    /// The cgroups that are known. Held for a moment only, and never together with the state.
    pub(in crate::container) fn cgroups(&self) -> MutexGuard<'_, Cgroups> {
        self.cgroups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the container that a cgroup belongs to: one that has it or a parent of it, else one that its path names.
    pub(in crate::container) fn owner_in(&self, path: &str, cgroup: u64) -> Option<Container> {
        let snapshot = self.snapshot();
        let groups = std::iter::once(cgroup).chain(self.cgroups().parents(path)).filter(|id| *id != 0);
        let mut holders = groups.filter_map(|id| snapshot.by_cgroup(id)).filter_map(|entry| snapshot.container(entry));
        if let Some(holder) = holders.find(|holder| holder.namespace != crate::container::units::NAME) {
            return Some(Container { runtime: holder.runtime.clone(), namespace: holder.namespace.clone(), ..Container::default() });
        }
        let owners = process::owners_in(path);
        let known = |owner: &&CgroupOwner| snapshot.by_id(&owner.id).is_some();
        // An engine inside a container names what only it knows: then the outer container is the answer.
        owners.iter().find(known).or(owners.first()).map(CgroupOwner::container)
    }

    fn entry_in(&self, path: &str, cgroup: u64) -> Owner {
        let snapshot = self.snapshot();
        let groups = std::iter::once(cgroup).chain(self.cgroups().parents(path)).filter(|id| *id != 0);
        if let Some(entry) = groups.filter_map(|id| snapshot.by_cgroup(id)).next() {
            return Owner::Container(entry);
        }
        let known = process::owners_in(path).iter().find_map(|owner| snapshot.by_id(&owner.id));
        known.map_or(Owner::Host, Owner::Container)
    }

    /// Takes in everything that the kernel's watcher has told until now.
    pub fn catch_up(&self) {
        self.table.get().iter().for_each(|table| table.catch_up());
    }

    fn look_up(&self, mntns: u64, pid: u32) -> Owner {
        if self.table.get().is_some() {
            self.catch_up();
            if let Some(entry) = self.snapshot().by_mntns(mntns) {
                return Owner::Container(entry);
            }
        }
        if pid != 0
            && let Some(owner) = self.by_files(mntns, pid)
        {
            return owner;
        }
        self.by_table(mntns)
    }

    /// By the files of a process that is there. `None` when it is gone, or in another namespace.
    fn by_files(&self, mntns: u64, pid: u32) -> Option<Owner> {
        if process::host_mntns() == 0 {
            // A process that the OCI runtime has not moved yet could not be told from the container's.
            return None;
        }
        let lines = procfs::cgroups(pid).ok()?;
        // The process may have changed its namespace, or its number may be another's by now.
        if procfs::namespace_inode(pid, "mnt").ok()? != mntns {
            return None;
        }
        let Some(mut container) = process::paths(&lines).into_iter().find_map(|path| self.owner_in(path, 0)) else {
            return Some(Owner::Host);
        };
        let held = process::inspect(&mut container, pid).ok()?;
        if container.mntns != mntns {
            return None;
        }
        // Any process of the container, not necessarily its first.
        container.runtime.container_pid = 0;
        Some(self.enter(container, held))
    }

    /// By what the kernel's watcher kept of the first process that was seen there.
    fn by_table(&self, mntns: u64) -> Owner {
        let cgroup = self.table.get().and_then(|table| table.cgroup_of_namespace(mntns));
        let Some(cgroup) = cgroup else { return Owner::Unknown };
        if cgroup == 0 {
            return Owner::Host;
        }
        let path = self.cgroups().path(cgroup);
        let Some(path) = path else { return Owner::Unknown };
        let Some(mut container) = self.owner_in(&path, cgroup) else { return Owner::Host };
        container.runtime.container_pid = 0;
        container.mntns = mntns;
        process::set_watched(&mut container, &path, cgroup);
        self.enter(container, None)
    }

    fn enter(&self, container: Container, held: Option<process::Held>) -> Owner {
        self.update(|state| state.seen(container, held)).map_or(Owner::Unknown, Owner::Container)
    }
}

impl Inventory {
    /// Puts the kernel's watcher to use. Only the first one counts.
    pub fn set_table(&self, table: std::sync::Arc<dyn KernelTable>) {
        let _ = self.table.set(table);
    }

    /// Has the kernel's watcher let new mount namespaces through a filter. `None` when nothing is watched, or too many filters ask.
    pub fn admit_new(&self, filter: BorrowedFd<'_>) -> Option<Admission> {
        self.table.get().and_then(|table| Admission::open(table, filter))
    }
}
