//! What `collect` says when its log is JSON: the same as on a terminal, as log lines with fields.

use super::exit;
use crate::config::Diff;
use crate::daemon::{DaemonError, Observer, Overview};
use crate::telemetry::GadgetTotals;

/// Seconds between two lines of counts.
const LINE_INTERVAL: u64 = 60;

/// Writes log lines.
#[derive(Default)]
pub(super) struct Logged {
    quiet: bool,
    ticks: u64,
}

impl Logged {
    pub(super) fn new(quiet: bool) -> Self {
        Logged { quiet, ticks: 0 }
    }
}

impl Observer for Logged {
    fn started(&mut self, overview: &Overview) {
        for gadget in &overview.gadgets {
            tracing::info!(gadget = gadget.name, image = gadget.image, "gadget runs");
        }
        for (id, status) in &overview.exporters {
            tracing::info!(exporter = id, destination = status.destination, "exporter runs");
        }
        for (runtime, place) in &overview.runtimes {
            tracing::info!(runtime, place, "container runtime");
        }
        let page = |address: Option<std::net::SocketAddr>| address.map(|a| a.to_string()).unwrap_or_default();
        tracing::info!(telemetry = page(overview.telemetry), health = page(overview.health), "gadgetry is collecting");
    }

    fn tick(&mut self, overview: &Overview) {
        self.ticks += 1;
        if !self.quiet && self.ticks.is_multiple_of(LINE_INTERVAL) {
            ledger(&overview.totals);
        }
    }

    fn reloaded(&mut self, result: Result<&Diff, &DaemonError>) {
        match result {
            Ok(diff) => tracing::info!(changes = %diff, "configuration applied"),
            Err(error) => tracing::error!(error = exit::chain(error), "configuration refused, nothing changed"),
        }
    }

    fn stopping(&mut self) {
        tracing::info!("stopping: detaching gadgets and delivering what is queued");
    }

    fn stopped(&mut self, overview: &Overview) {
        ledger(&overview.totals);
    }
}

/// One line per gadget and one per gadget and exporter.
fn ledger(totals: &[GadgetTotals]) {
    for gadget in totals {
        let (produced, lost, filtered, dropped) = (gadget.produced(), gadget.lost, gadget.filtered_total(), gadget.dropped_total());
        tracing::info!(gadget = &*gadget.name, produced, lost, filtered, dropped, "ledger of a gadget");
        for exporter in &gadget.exporters {
            let (delivered, dropped, in_flight) = (exporter.delivered, exporter.dropped_total(), exporter.in_flight());
            let (gadget, exporter) = (&*gadget.name, &*exporter.exporter);
            tracing::info!(gadget, exporter, delivered, dropped, in_flight, "ledger of an exporter");
        }
    }
}
