//! Keeps a gadget's in-kernel filter at the containers that its selector means.

use super::build::Context;
use crate::config::GadgetPlan;
use crate::container::Follower;
use crate::loader::MntnsFilter;

/// Fills `filter` with the containers that are there now and starts the task that follows their coming and going.
pub(super) fn follow(filter: MntnsFilter, plan: &GadgetPlan, context: &Context) -> tokio::task::JoinHandle<()> {
    let mut changed = context.inventory.changed();
    let mut follower = Follower::new(context.inventory.clone(), plan.containers.clone());
    let gadget = plan.name.clone();
    apply(&filter, &mut follower, &gadget);
    context.runtime.spawn(async move {
        while changed.changed().await.is_ok() {
            apply(&filter, &mut follower, &gadget);
        }
    })
}

fn apply(filter: &MntnsFilter, follower: &mut Follower, gadget: &str) {
    let (added, removed) = follower.changes();
    for mntns in removed {
        if let Err(error) = filter.remove(mntns) {
            tracing::debug!(gadget, mntns, %error, "container was not in the filter");
        }
    }
    for mntns in added {
        if let Err(error) = filter.insert(mntns) {
            tracing::error!(gadget, mntns, %error, "container cannot be selected, its events are not traced");
        }
    }
}
