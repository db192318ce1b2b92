//! What has to be done for the inventory whatever runtimes there are: finding what runs already and nobody tells of, and tidying up.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::inventory::Inventory;
use super::runtime::Settings;
use super::{oci, units};

/// How often what ended long enough ago is let go.
const SWEEP: Duration = Duration::from_secs(1);
/// How often it is looked whether what runs is still there.
const REAP: u32 = 5;
/// How often the states of OCI runtimes are read again, in case the kernel's watcher missed something.
const LIST: u32 = 60;

/// Keeps the inventory tidy until cancelled.
pub(super) async fn keep(inventory: Arc<Inventory>, settings: Settings, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0u32;
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let (theirs, wanted, tick) = (inventory.clone(), settings.clone(), count);
        // Files are read, of each container perhaps.
        let tidied = tokio::task::spawn_blocking(move || tidy(&theirs, &wanted, tick)).await;
        if let Err(error) = tidied {
            tracing::error!(%error, "containers could not be tidied up");
        }
        count = count.wrapping_add(1);
    }
}

fn tidy(inventory: &Inventory, settings: &Settings, tick: u32) {
    let now = Instant::now();
    if tick.is_multiple_of(LIST) {
        list(inventory, settings);
    }
    if tick.is_multiple_of(REAP) {
        inventory.reap(now, None);
    }
    inventory.sweep(now);
}

/// Finds the containers that run and that no daemon tells of, as far as they are wanted.
pub(super) fn list(inventory: &Inventory, settings: &Settings) {
    if settings.oci {
        for (runtime, root) in oci::states::ROOTS {
            if let Err(error) = oci::list(inventory, runtime, Path::new(root)) {
                tracing::warn!(runtime, root, %error, "states of the runtime cannot be read");
            }
        }
    }
    if settings.systemd {
        units::list(inventory);
    }
}
