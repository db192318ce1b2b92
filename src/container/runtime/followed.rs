//! The runtimes that are followed while the settings change: what is wanted no more is left, what is new is followed, the rest goes on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{Settings, keeper, thread};
use crate::container::inventory::Inventory;
use crate::container::sighting::Wanted;

/// How long a client may take to notice that it is to end.
const ENDING: Duration = Duration::from_millis(50);

/// See the module.
pub struct Followed {
    inventory: Arc<Inventory>,
    on: Handle,
    cancel: CancellationToken,
    /// Each daemon by itself, and what needs none.
    running: Vec<(Settings, CancellationToken)>,
}

impl Followed {
    /// Follows what `settings` want until cancelled. Call it within a runtime of tokio.
    pub fn new(inventory: &Arc<Inventory>, settings: &Settings, cancel: &CancellationToken) -> Self {
        let mut followed =
            Followed { inventory: inventory.clone(), on: thread::start(cancel), cancel: cancel.clone(), running: Vec::new() };
        settings.parts().into_iter().for_each(|part| followed.start(part));
        followed
    }

    /// Follows what `settings` want instead. Containers of a runtime that nobody wants any more are let go.
    pub async fn change(&mut self, settings: &Settings) {
        let wanted = settings.parts();
        self.inventory.set_wanted(Wanted { oci: settings.oci, systemd: settings.systemd });
        let ended: Vec<(Settings, CancellationToken)> = self.running.extract_if(.., |(part, _)| !wanted.contains(part)).collect();
        ended.iter().for_each(|(_, cancel)| cancel.cancel());
        if !ended.is_empty() {
            tokio::time::sleep(ENDING).await;
        }
        for (part, _) in &ended {
            self.leave(part, &wanted);
        }
        for part in wanted {
            if self.running.iter().all(|(running, _)| *running != part) {
                self.start(part);
            }
        }
    }

    fn start(&mut self, part: Settings) {
        let cancel = self.cancel.child_token();
        match part.daemon() {
            Some(_) => part.engines().for_each(|engine| engine.follow(&self.inventory, &self.on, &cancel)),
            None => drop(self.on.spawn(keeper::keep(self.inventory.clone(), part.clone(), cancel.clone()))),
        }
        self.running.push((part, cancel));
    }

    fn leave(&self, part: &Settings, wanted: &[Settings]) {
        let Some((name, socket)) = part.daemon() else { return };
        self.inventory.forget_runtime(name, &crate::kernel::host_path(socket));
        // Where the same runtime is asked elsewhere, its first list says what there is.
        if wanted.iter().filter_map(Settings::daemon).all(|(other, _)| other != name) {
            self.inventory.update(|state| state.retain(name, &HashSet::new(), &HashSet::new(), Instant::now()));
        }
    }
}
