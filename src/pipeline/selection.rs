//! Keeps a gadget's in-kernel filter at the containers that its selector means.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::build::Context;
use crate::config::GadgetPlan;
use crate::container::{Follower, Gate, SeenNamespace};
use crate::loader::MntnsFilter;
use crate::telemetry::GadgetEntry;

/// How soon containers are looked at again of which it could not be decided whether they are wanted, or that found no room.
const AGAIN: Duration = Duration::from_millis(200);
/// How long news are gathered while the kernel lets new namespaces through: nobody waits for what is decided.
const GATHER: Duration = Duration::from_millis(10);

/// Fills `filter` with the containers that are there now and starts the task that follows their coming and going.
///
/// The kernel's watcher lets each new mount namespace through at once, and what is not wanted is taken out here. Where it cannot, a container
/// that is being made is let through on the thread that hears of it, mostly before its first program runs.
pub(super) fn follow(filter: MntnsFilter, plan: &GadgetPlan, context: &Context, entry: Arc<GadgetEntry>) -> tokio::task::JoinHandle<()> {
    let changed = context.inventory.changed();
    let follower = Follower::new(context.inventory.clone(), plan.containers.clone());
    let shared = Arc::new(Shared {
        selection: Mutex::new(Selection { filter, follower, entry, is_full: false }),
        seen: Mutex::default(),
        more: Notify::new(),
        // Until it is known: the watcher must not wait for what waits for it.
        is_admitting: AtomicBool::new(true),
    });
    // First the gate, then the admission, then the look at what is there: nothing comes in between.
    let theirs = shared.clone();
    let gate: Arc<Gate> = Arc::new(move |seen| theirs.note(seen));
    context.inventory.add_gate(&gate);
    let admission = lock(&shared.selection).filter.admit_new(&context.inventory);
    shared.is_admitting.store(admission.is_some(), Ordering::Relaxed);
    if admission.is_none() {
        tracing::debug!(
            gadget = plan.name,
            "the kernel does not let new containers through itself, they are selected as they are heard of"
        );
    }
    shared.update();
    context.runtime.spawn(async move {
        // Held as long as the task lives. The gate goes first: it may be in use where the admission is ended.
        let (_admission, _gate) = (admission, gate);
        shared.keep(changed).await;
    })
}

/// What the task and the gate work on.
struct Shared {
    selection: Mutex<Selection>,
    /// Namespaces that the kernel has told of, and whether each is settled.
    seen: Mutex<HashMap<u64, bool>>,
    more: Notify,
    is_admitting: AtomicBool,
}

impl Shared {
    fn note(&self, seen: SeenNamespace) {
        lock(&self.seen).insert(seen.mntns, seen.settled);
        match self.is_admitting.load(Ordering::Relaxed) {
            true => self.more.notify_one(),
            false => drop(self.update()),
        }
    }

    /// Gives whether it has to be done again although nothing may change.
    fn update(&self) -> bool {
        let mut selection = lock(&self.selection);
        let seen = std::mem::take(&mut *lock(&self.seen));
        selection.update(seen)
    }

    async fn keep(&self, mut changed: watch::Receiver<u64>) {
        loop {
            let is_undecided = self.update();
            let again = async {
                match is_undecided {
                    true => tokio::time::sleep(AGAIN).await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                change = changed.changed() => if change.is_err() { return },
                () = self.more.notified() => {}
                () = again => {}
            }
            if self.is_admitting.load(Ordering::Relaxed) {
                tokio::time::sleep(GATHER).await;
            }
            changed.mark_unchanged();
        }
    }
}

struct Selection {
    filter: MntnsFilter,
    follower: Follower,
    entry: Arc<GadgetEntry>,
    is_full: bool,
}

impl Selection {
    /// Brings the filter up to date; gives whether that has to be done again although nothing may change.
    fn update(&mut self, seen: HashMap<u64, bool>) -> bool {
        let now = Instant::now();
        seen.into_iter().for_each(|(mntns, settled)| self.follower.admitted(SeenNamespace { mntns, settled }, now));
        let (added, removed) = self.follower.changes(now);
        let gadget = &*self.entry.name;
        for mntns in removed {
            if let Err(error) = self.filter.remove(mntns) {
                tracing::debug!(gadget, mntns, %error, "container was not in the filter");
            }
        }
        let mut refused = 0;
        for mntns in added {
            if let Err(error) = self.filter.insert(mntns) {
                refused += 1;
                self.follower.refused(mntns);
                if !std::mem::replace(&mut self.is_full, true) {
                    tracing::error!(gadget, mntns, %error, "container cannot be selected, its events are not traced until there is room");
                }
            }
        }
        self.is_full = refused > 0;
        self.entry.selection.set(self.follower.len() as u64, u64::from(self.filter.room()), refused);
        self.follower.is_undecided()
    }
}

/// Locks although a thread that held it panicked: what it guards is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
