//! The inventory: written by the runtimes under one mutex, read as immutable snapshots.

mod resolve;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub(super) use state::State;

use super::process;
use super::record::{Container, Pod};
use super::runtime::RuntimeStatus;
use super::snapshot::Snapshot;
use crate::kernel::procfs;

/// How long a container that ended still names events.
pub const GRACE: Duration = Duration::from_secs(10);

/// Most containers kept, running or not. More are counted in [`InventoryStats::refused`].
pub const MAX_CONTAINERS: usize = 20_000;

/// All containers of this machine.
pub struct Inventory {
    state: Mutex<State>,
    published: ArcSwap<Snapshot>,
    changed: watch::Sender<u64>,
    runtimes: Mutex<Vec<RuntimeStatus>>,
    resolved: AtomicU64,
    unresolved: AtomicU64,
}

/// Counts for the telemetry page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InventoryStats {
    /// Containers that run.
    pub running: usize,
    /// All that are kept: running, stopped and those in their grace time.
    pub kept: usize,
    /// Containers not taken because [`MAX_CONTAINERS`] were there.
    pub refused: u64,
    /// Mount namespaces that a process's cgroup gave a name to, because its event came before the runtime's word.
    pub resolved: u64,
    /// Look-ups of processes that led to no container.
    pub unresolved: u64,
}

impl Inventory {
    /// An empty inventory.
    pub fn new() -> Arc<Self> {
        let state = State::new(process::host_mntns(), node_name());
        let published = ArcSwap::from_pointee(state.snapshot(0));
        Arc::new(Inventory {
            state: Mutex::new(state),
            published,
            changed: watch::Sender::new(0),
            runtimes: Mutex::new(Vec::new()),
            resolved: AtomicU64::new(0),
            unresolved: AtomicU64::new(0),
        })
    }

    /// The inventory as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Wakes its holder with the new generation when something changed.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Adds or replaces a running container. For runtimes of one's own: tests, benches.
    pub fn insert(&self, container: Container) {
        self.update(|state| state.start(container, None));
    }

    /// Notes that a container ended; it still names events for [`GRACE`].
    pub fn remove(&self, id: &str) {
        self.update(|state| state.forget(id, Instant::now()));
    }

    /// Lets go of what has been over for [`GRACE`]. Called about once a second by whoever follows a runtime.
    pub fn sweep(&self, now: Instant) {
        self.update(|state| state.sweep(now));
    }

    /// Ends the running containers whose first process is gone: what a runtime that cannot be asked would have told.
    pub fn reap(&self, now: Instant) {
        let gone = |c: &&Container| procfs::namespace_inode(c.runtime.container_pid, "mnt").ok() != Some(c.mntns);
        let checked = |c: &&Container| c.runtime.container_pid != 0 && c.mntns != 0;
        let snapshot = self.snapshot();
        let ended: Vec<&str> = snapshot.running().filter(checked).filter(gone).map(|c| c.runtime.container_id.as_str()).collect();
        if !ended.is_empty() {
            self.update(|state| ended.iter().for_each(|id| state.stop(id, now)));
        }
    }

    /// Notes what the API server says of a pod: its containers, present and to come, get its labels, annotations and owners.
    pub fn set_pod(&self, pod: Pod) {
        self.update(|state| state.set_pod(pod));
    }

    /// Notes that a pod is gone. Its containers keep what they were given.
    pub fn forget_pod(&self, uid: &str) {
        self.update(|state| state.forget_pod(uid));
    }

    /// Notes what Kubernetes calls this node, for whoever knows better than the environment.
    pub fn set_node(&self, name: &str) {
        self.update(|state| state.set_node(name));
    }

    /// Ids of containers that processes were seen in, and that no runtime has given a name yet; at most `limit`.
    pub fn unnamed(&self, limit: usize) -> Vec<String> {
        let snapshot = self.snapshot();
        let unnamed = snapshot.running().filter(|c| !c.is_named()).take(limit);
        unnamed.map(|c| c.runtime.container_id.clone()).collect()
    }

    /// How the runtimes are doing, in the order in which they were first heard of.
    pub fn runtimes(&self) -> Vec<RuntimeStatus> {
        self.runtimes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how a runtime is doing. One status per name and socket.
    pub fn set_runtime(&self, status: RuntimeStatus) {
        let mut all = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|s| s.name == status.name && s.socket == status.socket) {
            Some(known) => *known = status,
            None => all.push(status),
        }
    }

    /// Counts for the telemetry page.
    pub fn stats(&self) -> InventoryStats {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        InventoryStats {
            running: state.running(),
            kept: state.kept(),
            refused: state.refused(),
            resolved: self.resolved.load(Ordering::Relaxed),
            unresolved: self.unresolved.load(Ordering::Relaxed),
        }
    }

    /// Changes the state and publishes it if it really changed.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        if state.take_dirty() {
            // Published under the lock, so that generations reach readers in order.
            let generation = self.published.load().generation() + 1;
            self.published.store(Arc::new(state.snapshot(generation)));
            self.changed.send_replace(generation);
        }
        result
    }
}

/// The Kubernetes node we run on; empty outside Kubernetes.
fn node_name() -> Arc<str> {
    if let Some(name) = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty()) {
        return name.into();
    }
    if !super::in_kubernetes() {
        return "".into();
    }
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().into()).unwrap_or_default()
}
