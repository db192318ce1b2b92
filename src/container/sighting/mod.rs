//! What the kernel itself says of containers as they are made: cgroups, mount namespaces, command lines of OCI runtimes.
//!
//! `loader` has the program that tells; here is what it means for the inventory.

mod admission;
mod cgroups;
mod observer;
#[cfg(test)]
mod tests;

pub use admission::Admission;
pub use cgroups::Cgroups;
pub use observer::{Observer, Wanted};

use std::os::fd::BorrowedFd;

/// One thing that was seen. Text is bounded by the program: paths by 1 KiB, command lines by 4 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// A cgroup was made.
    CgroupMade {
        /// Its id, in the hierarchy that is watched.
        id: u64,
        /// Its path from the root of the hierarchy.
        path: String,
    },
    /// A cgroup was removed.
    CgroupRemoved {
        /// Its id.
        id: u64,
    },
    /// The last process of a cgroup, and of those below it, is gone.
    CgroupEmpty {
        /// Its id.
        id: u64,
        /// When, in boot-time nanoseconds.
        at: u64,
    },
    /// A process was seen in a mount namespace that is not the host's and that was not seen before.
    Namespace {
        /// Inode of the mount namespace.
        mntns: u64,
        /// Inode of the process's network namespace.
        netns: u64,
        /// Process id.
        pid: u32,
        /// Process id of its parent.
        parent: u32,
        /// Id of its cgroup; 0 is the root.
        cgroup: u64,
        /// Whether the process has been put into the cgroup where it will stay.
        settled: bool,
    },
    /// A program was started that has the name of an OCI runtime, or conmon.
    Runtime {
        /// Process id.
        pid: u32,
        /// Inode of its mount namespace.
        mntns: u64,
        /// Id of its cgroup.
        cgroup: u64,
        /// Its arguments, each ended by NUL.
        arguments: Vec<u8>,
    },
}

/// What the kernel's watcher can be asked, for events that are read before what it told was.
pub trait KernelTable: Send + Sync {
    /// Takes in everything that was told until now.
    fn catch_up(&self);
    /// The cgroup of the process that first ran in a mount namespace.
    fn cgroup_of_namespace(&self, mntns: u64) -> Option<u64>;
    /// The cgroup of a process, which may be gone since.
    fn cgroup_of_process(&self, pid: u32) -> Option<u64>;
    /// Has new mount namespaces put into `filter`, before a process in them runs; gives the place it takes. `None` when there is none.
    fn open_filter(&self, filter: BorrowedFd<'_>) -> Option<u32>;
    /// Ends that.
    fn close_filter(&self, place: u32);
}
