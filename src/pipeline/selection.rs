//! Keeps a gadget's in-kernel filter at the containers that its selector means.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::build::Context;
use crate::config::GadgetPlan;
use crate::container::{Follower, Gate};
use crate::loader::MntnsFilter;
use crate::telemetry::GadgetEntry;

/// How soon containers are looked at again of which it could not be decided whether they are wanted, or that found no room.
const AGAIN: Duration = Duration::from_millis(200);

/// Fills `filter` with the containers that are there now and starts the task that follows their coming and going. A container that is being
/// made is let through before its first program runs, on the thread that hears of it.
pub(super) fn follow(filter: MntnsFilter, plan: &GadgetPlan, context: &Context, entry: Arc<GadgetEntry>) -> tokio::task::JoinHandle<()> {
    let mut changed = context.inventory.changed();
    let follower = Follower::new(context.inventory.clone(), plan.containers.clone());
    let selection = Mutex::new(Selection { filter, follower, entry, is_full: false });
    let update = move || selection.lock().unwrap_or_else(PoisonError::into_inner).update();
    let gate: Arc<dyn Fn() -> bool + Send + Sync> = Arc::new(update);
    let theirs = gate.clone();
    let opened: Arc<Gate> = Arc::new(move || {
        theirs();
    });
    context.inventory.add_gate(&opened);
    let mut undecided = gate();
    context.runtime.spawn(async move {
        // Held as long as the task lives.
        let _opened = opened;
        loop {
            let change = changed.changed();
            let end = match undecided {
                true => tokio::time::timeout(AGAIN, change).await.is_ok_and(|change| change.is_err()),
                false => change.await.is_err(),
            };
            if end {
                return;
            }
            undecided = gate();
        }
    })
}

struct Selection {
    filter: MntnsFilter,
    follower: Follower,
    entry: Arc<GadgetEntry>,
    is_full: bool,
}

impl Selection {
    /// Brings the filter up to date; gives whether that has to be done again although nothing may change.
    fn update(&mut self) -> bool {
        let (added, removed) = self.follower.changes(Instant::now());
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
