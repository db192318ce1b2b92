//! Keeps a gadget's in-kernel filter at the containers that its selector means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::build::Context;
use crate::config::GadgetPlan;
use crate::container::Follower;
use crate::loader::MntnsFilter;
use crate::telemetry::GadgetEntry;

/// How soon containers are looked at again of which it could not be decided whether they are wanted, or that found no room.
const AGAIN: Duration = Duration::from_millis(200);

/// Fills `filter` with the containers that are there now and starts the task that follows their coming and going.
pub(super) fn follow(filter: MntnsFilter, plan: &GadgetPlan, context: &Context, entry: Arc<GadgetEntry>) -> tokio::task::JoinHandle<()> {
    let mut changed = context.inventory.changed();
    let follower = Follower::new(context.inventory.clone(), plan.containers.clone());
    let mut selection = Selection { filter, follower, entry, is_full: false };
    selection.update();
    context.runtime.spawn(async move {
        loop {
            let change = changed.changed();
            let end = match selection.follower.is_undecided() {
                true => tokio::time::timeout(AGAIN, change).await.is_ok_and(|change| change.is_err()),
                false => change.await.is_err(),
            };
            if end {
                return;
            }
            selection.update();
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
    fn update(&mut self) {
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
    }
}
