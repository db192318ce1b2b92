//! What `run` says on standard error while the gadget runs.

use std::sync::Arc;

use crate::cli::ledger::grouped;
use crate::cli::output;
use crate::cli::runtimes::RuntimeFlags;
use crate::config::GadgetPlan;
use crate::container::runtime::{RuntimeState, RuntimeStatus};
use crate::daemon::oneshot::Progress;
use crate::exporter::terminal::Screen;
use crate::telemetry::GadgetTotals;

/// Looks after one gadget.
pub(super) struct Watch {
    screen: Arc<Screen>,
    runtimes: RuntimeFlags,
    host: bool,
    lost: u64,
    produced: u64,
}

impl Watch {
    pub(super) fn new(plan: &GadgetPlan, runtimes: RuntimeFlags, screen: Arc<Screen>) -> Self {
        Watch { screen, runtimes, host: plan.containers.includes_host(), lost: 0, produced: 0 }
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
        let why = |r: &RuntimeStatus| match &r.state {
            RuntimeState::Connected => None,
            RuntimeState::Waiting(why) => Some(why.clone()),
            RuntimeState::Connecting => Some("no answer yet".to_owned()),
        };
        let missed = runtimes.iter().filter_map(|r| Some((r, why(r)?))).filter(|(r, _)| self.runtimes.is_missed(r.name, &r.socket));
        for (runtime, why) in missed {
            output::error(&format!("WARN {} at {} cannot be reached: {why}", runtime.name, runtime.socket.display()));
        }
        if !self.host && !runtimes.iter().any(|r| r.state == RuntimeState::Connected) {
            output::error("WARN only containers are shown, and no container runtime can be reached; --host shows the host, too");
        }
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
