//! The inventory: written by the runtimes under one mutex, read as immutable snapshots.

mod resolve;
mod state;

use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub use resolve::Owner;
pub(super) use state::State;

use super::process;
use super::record::{Container, Pod};
use super::runtime::RuntimeStatus;
use super::sighting::{Cgroups, KernelTable, Wanted};
use super::snapshot::Snapshot;
use crate::kernel::{cgroupfs, procfs};

/// How long a container that ended still names events.
pub const GRACE: Duration = Duration::from_secs(10);

/// Most containers kept, running or not. More are counted in [`InventoryStats::refused`].
pub const MAX_CONTAINERS: usize = 20_000;

/// A mount namespace with a process that the kernel has told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenNamespace {
    /// Its inode.
    pub mntns: u64,
    /// Whether the process is where it belongs, so that whose it is will not become clearer.
    pub settled: bool,
}

/// What is done when the kernel tells of a container's first process. Called on the thread that hears of it; must be quick.
pub type Gate = dyn Fn(SeenNamespace) + Send + Sync;

/// How long after a publication the news of runtimes are gathered until the next one: they say a thing in several ways at once.
const GATHER: Duration = Duration::from_millis(10);

/// All containers of this machine.
pub struct Inventory {
    this: Weak<Inventory>,
    state: Mutex<State>,
    /// Whether somebody is about to publish.
    publishing: AtomicBool,
    published: ArcSwap<Snapshot>,
    changed: watch::Sender<u64>,
    runtimes: Mutex<Vec<RuntimeStatus>>,
    cgroups: Mutex<Cgroups>,
    table: OnceLock<Arc<dyn KernelTable>>,
    gates: Mutex<Vec<Weak<Gate>>>,
    wanted: Mutex<Wanted>,
    resolved: AtomicU64,
    unresolved: AtomicU64,
    missed: AtomicU64,
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
    /// What the kernel's watcher saw and could not tell, because too much came at once.
    pub missed: u64,
}

impl Inventory {
    /// An empty inventory.
    pub fn new() -> Arc<Self> {
        let mut state = State::new(process::host_mntns(), node_name());
        let published = ArcSwap::from_pointee(state.snapshot(0));
        Arc::new_cyclic(|this| Inventory {
            this: this.clone(),
            state: Mutex::new(state),
            publishing: AtomicBool::new(false),
            published,
            changed: watch::Sender::new(0),
            runtimes: Mutex::new(Vec::new()),
            cgroups: Mutex::default(),
            table: OnceLock::new(),
            gates: Mutex::default(),
            wanted: Mutex::default(),
            resolved: AtomicU64::new(0),
            unresolved: AtomicU64::new(0),
            missed: AtomicU64::new(0),
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

    /// Adds a container that only the kernel has told of so far. For watchers of one's own: tests, benches.
    pub fn note_seen(&self, container: Container) {
        self.update(|state| state.seen(container, None));
    }

    /// Notes that the container with this key ended; it still names events for [`GRACE`].
    pub fn remove(&self, key: &str) {
        self.update(|state| state.forget(key, Instant::now()));
    }

    /// Lets go of what has been over for [`GRACE`]. Called about once a second by the keeper.
    pub fn sweep(&self, now: Instant) {
        self.update(|state| state.sweep(now));
    }

    /// Ends the running containers that are gone, all or those of one runtime: what a runtime that cannot be asked would have told. They are
    /// looked at by their first process, or by their cgroup where that is all that is known.
    pub fn reap(&self, now: Instant, of: Option<&str>) {
        let other = |c: &Container| procfs::namespace_inode(c.runtime.container_pid, "mnt").ok() != Some(c.mntns);
        let gone = |c: &&Container| match c.runtime.container_pid {
            0 => !c.cgroup_path.is_empty() && !cgroupfs::is_populated(Path::new(&c.cgroup_path)),
            _ => c.mntns != 0 && other(c),
        };
        let asked = |c: &&Container| of.is_none_or(|runtime| c.runtime.runtime_name == runtime);
        let ended: Vec<String> = self.snapshot().running_or_sandbox().filter(asked).filter(gone).map(Container::key).collect();
        if !ended.is_empty() {
            self.update(|state| ended.iter().for_each(|key| state.stop(key, now)));
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

    /// Forgets how a runtime was doing: nobody asks it any more.
    pub(super) fn forget_runtime(&self, name: &str, socket: &Path) {
        let mut all = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|status| status.name != name || status.socket != socket);
    }

    /// Notes how a runtime is doing. One status per name and socket; it keeps its time as long as its kind of state does not change.
    pub fn set_runtime(&self, mut status: RuntimeStatus) {
        let mut all = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|s| s.name == status.name && s.socket == status.socket) {
            Some(known) => {
                if mem::discriminant(&known.state) == mem::discriminant(&status.state) {
                    status.since_s = known.since_s;
                }
                *known = status;
            }
            None => all.push(status),
        }
    }

    /// Says which containers are wanted beside those of engines, from now on.
    pub fn set_wanted(&self, wanted: Wanted) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
    }

    /// Which containers are wanted beside those of engines.
    pub(super) fn wanted(&self) -> Wanted {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `gate` called each time the kernel tells of a container's first process, as long as somebody holds it.
    pub fn add_gate(&self, gate: &Arc<Gate>) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|gate| gate.strong_count() > 0);
        gates.push(Arc::downgrade(gate));
    }

    /// Calls the gates.
    pub(super) fn pass_gates(&self, seen: SeenNamespace) {
        let gates: Vec<Arc<Gate>> = self.gates.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
        gates.iter().for_each(|gate| gate(seen));
    }

    /// Counts what the kernel's watcher saw and could not tell.
    pub fn count_missed(&self, records: u64) {
        self.missed.fetch_add(records, Ordering::Relaxed);
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
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// Lets readers see what was noted since the last time, if anything really changed.
    pub(super) fn publish(&self) {
        self.update(|_| ());
    }

    /// Changes the state. Readers see it with the next [`Inventory::publish`] or [`Inventory::update`].
    pub(super) fn note<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state; readers see it within [`GATHER`]: at once, unless something was published only just now. Outside of a runtime of
    /// tokio at once.
    pub(super) fn update_soon<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, since) = self.note(|state| (change(state), state.unpublished_for()));
        match (since, tokio::runtime::Handle::try_current()) {
            (None, _) => {}
            (Some(since), Ok(tokio)) if since < GATHER => self.publish_later(&tokio),
            _ => self.publish(),
        }
        result
    }

    fn publish_later(&self, tokio: &tokio::runtime::Handle) {
        if self.publishing.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.this.clone();
        tokio.spawn(async move {
            tokio::time::sleep(GATHER).await;
            if let Some(inventory) = this.upgrade() {
                inventory.publishing.store(false, Ordering::Release);
                inventory.publish();
            }
        });
    }

    /// Changes the state and publishes it if it really changed.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        // Dropped at the very end: outside of the lock, and when everybody can know.
        let _released = state.take_released();
        if state.take_dirty() {
            // Published under the lock, so that generations reach readers in order.
            let generation = self.published.load().generation() + 1;
            self.published.store(Arc::new(state.snapshot(generation)));
            self.changed.send_replace(generation);
        }
        drop(state);
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
