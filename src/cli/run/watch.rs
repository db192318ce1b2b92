//! What `run` says on standard error while the gadget runs.

use std::sync::Arc;

use crate::cli::ledger::grouped;
use crate::cli::output;
use crate::config::GadgetPlan;
use crate::container::runtime::{RuntimeState, RuntimeStatus};
use crate::daemon::oneshot::Progress;
use crate::exporter::terminal::Screen;
use crate::telemetry::GadgetTotals;

/// Looks after one gadget.
pub(super) struct Watch {
    screen: Arc<Screen>,
    host: bool,
    lost: u64,
    produced: u64,
}

impl Watch {
    pub(super) fn new(plan: &GadgetPlan, screen: Arc<Screen>) -> Self {
        Watch { screen, host: plan.containers.includes_host(), lost: 0, produced: 0 }
    }

    /// The last word.
    pub(super) fn ended(&self) {
        if self.lost > 0 {
            output::error(&format!("WARN lost {} of {} samples in all", grouped(self.lost), grouped(self.produced)));
        }
    }
}

impl Progress for Watch {
    fn listed(&mut self, runtimes: &[RuntimeStatus]) {
        if self.host || runtimes.iter().any(|r| r.state == RuntimeState::Connected) {
            return;
        }
        let place = |r: &RuntimeStatus| match &r.state {
            RuntimeState::Waiting(why) => format!("{} at {}: {why}", r.name, r.socket.display()),
            _ => format!("{} at {}: no answer yet", r.name, r.socket.display()),
        };
        let places: Vec<String> = runtimes.iter().map(place).collect();
        let text = "WARN only containers are shown, and no container runtime can be reached; --host shows the host, too";
        output::error(&format!("{text} ({})", places.join("; ")));
    }

    fn attached(&mut self) {}

    fn counted(&mut self, totals: &GadgetTotals) {
        // A reader that has gone is noticed here when there is nothing to write.
        self.screen.probe();
        self.produced = totals.produced();
        let before = std::mem::replace(&mut self.lost, totals.lost);
        if self.lost > before {
            output::error(&format!("WARN lost {} samples", grouped(self.lost - before)));
        }
    }
}
