//! What `collect` shows while it runs: the start, a live line, reloads, the final ledger.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::Instant;

use super::{exit, ledger, output};
use crate::config::Diff;
use crate::daemon::{DaemonError, Observer, Overview};
use crate::kernel;
use crate::telemetry::{GadgetTotals, terminal};

/// Seconds between two lines when standard error is not a terminal.
const LINE_INTERVAL: u64 = 60;

/// The terminal of a running collector.
pub(super) struct Live {
    quiet: bool,
    terminal: bool,
    ticks: u64,
    before: Option<(Instant, u64)>,
}

impl Live {
    pub(super) fn new(quiet: bool) -> Self {
        Live { quiet, terminal: io::stderr().is_terminal(), ticks: 0, before: None }
    }

    fn counts(&mut self, overview: &Overview) -> String {
        let sum = |f: fn(&GadgetTotals) -> u64| overview.totals.iter().map(f).sum::<u64>();
        let received = sum(|g| g.received);
        let rate = match self.before.replace((overview.at, received)) {
            Some((at, before)) => (received.saturating_sub(before)) as f64 / overview.at.duration_since(at).as_secs_f64().max(0.001),
            None => 0.0,
        };
        let running = overview.gadgets.iter().filter(|g| g.running).count();
        let exporters = || overview.totals.iter().flat_map(|g| &g.exporters);
        let dropped = sum(GadgetTotals::dropped_total) + exporters().map(|e| e.dropped_total()).sum::<u64>();
        let in_flight: u64 = exporters().map(|e| e.in_flight()).sum();
        let mut line =
            format!("{running} gadget{} | {} events | {rate:.0}/s", if running == 1 { "" } else { "s" }, ledger::grouped(received));
        // Writing to a String cannot fail.
        let _ = write!(line, " | filtered {}", ledger::grouped(sum(GadgetTotals::filtered_total)));
        let _ = write!(line, " | lost {} | dropped {}", ledger::grouped(sum(|g| g.lost)), ledger::grouped(dropped));
        let _ = write!(line, " | in flight {}", ledger::grouped(in_flight));
        for (id, status) in &overview.exporters {
            if let Some(failing) = &status.failing {
                let _ = write!(line, " | {id}: {failing}");
            }
        }
        line
    }
}

impl Observer for Live {
    fn started(&mut self, overview: &Overview) {
        let mut text = String::from("gadgetry is collecting\n");
        for gadget in &overview.gadgets {
            let _ = writeln!(text, "  gadget    {:<20} {}", gadget.name, gadget.image);
        }
        for (id, status) in &overview.exporters {
            let _ = writeln!(text, "  exporter  {id:<20} {}", status.destination);
        }
        for (name, place) in &overview.runtimes {
            let _ = writeln!(text, "  runtime   {name:<20} {place}");
        }
        if let Some(address) = overview.telemetry {
            let _ = writeln!(text, "  metrics   of the collector     http://{address}/metrics");
        }
        if let Some(address) = overview.health {
            let _ = writeln!(text, "  health    of the collector     http://{address}/");
        }
        output::error(text.trim_end());
    }

    fn tick(&mut self, overview: &Overview) {
        let line = self.counts(overview);
        self.ticks += 1;
        if self.quiet {
            return;
        }
        if self.terminal {
            let width = kernel::terminal::width(io::stderr().as_fd()).unwrap_or(100);
            let cut: String = line.chars().take(width.saturating_sub(1)).collect();
            // A terminal that is gone is no reason to stop collecting.
            let _ = terminal::show(&cut);
        } else if self.ticks.is_multiple_of(LINE_INTERVAL) {
            output::error(&line);
        }
    }

    fn reloaded(&mut self, result: Result<&Diff, &DaemonError>) {
        let text = match result {
            Ok(diff) => format!("configuration applied: {diff}"),
            Err(DaemonError::Config(errors)) => format!("configuration refused, nothing changed:\n{errors}"),
            Err(error) => format!("configuration refused, nothing changed: {}", exit::chain(error)),
        };
        output::error(text.trim_end());
    }

    fn stopping(&mut self) {
        output::error("stopping: detaching gadgets and delivering what is queued");
    }

    fn stopped(&mut self, overview: &Overview) {
        let table = ledger::table(&overview.totals);
        output::error(table.trim_end());
    }
}
