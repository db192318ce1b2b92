//! The ledger: where every record of every gadget went.
//!
//! Per gadget: produced = lost + received, received = filtered + dropped + waiting + selected.
//! Per exporter of a gadget: accepted = delivered + dropped + in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A monotonic count of records. Written per batch, read by whoever reports.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n` records.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Raises the count to `n`, for sources that report a running total themselves.
    pub fn raise_to(&self, n: u64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }
}

/// Why a record did not reach its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The record's bytes could not be read as the gadget's event.
    Malformed,
    /// The exporter's queue was full.
    QueueFull,
    /// The receiver refused it, wholly or in a partial success.
    Rejected,
    /// Retries ended before the receiver took it.
    RetriesExhausted,
    /// The destination could not be written (disk full, closed terminal).
    WriteFailed,
    /// It was still queued when the shutdown deadline passed.
    Shutdown,
    /// It is larger than the destination's limit for one record.
    TooLarge,
}

impl DropReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [DropReason; 7] = [
        DropReason::Malformed,
        DropReason::QueueFull,
        DropReason::Rejected,
        DropReason::RetriesExhausted,
        DropReason::WriteFailed,
        DropReason::Shutdown,
        DropReason::TooLarge,
    ];

    /// The value of the `reason` label.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::Malformed => "malformed",
            DropReason::QueueFull => "queue_full",
            DropReason::Rejected => "rejected",
            DropReason::RetriesExhausted => "retries_exhausted",
            DropReason::WriteFailed => "write_failed",
            DropReason::Shutdown => "shutdown",
            DropReason::TooLarge => "too_large",
        }
    }
}

#[derive(Debug, Default)]
struct Dropped([Counter; DropReason::ALL.len()]);

impl Dropped {
    fn add(&self, reason: DropReason, n: u64) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.add(n);
        }
    }

    fn totals(&self) -> Vec<(DropReason, u64)> {
        DropReason::ALL.into_iter().zip(self.0.iter().map(Counter::get)).collect()
    }
}

/// How records that belong to a container got its name. Records of the host are not counted.
#[derive(Debug, Default)]
pub struct Coverage {
    /// It was known when they were read.
    pub at_once: Counter,
    /// They waited for it.
    pub late: Counter,
    /// They went on without.
    pub never: Counter,
}

impl Coverage {
    /// The counts, each with the value of its label.
    pub fn totals(&self) -> [(&'static str, u64); 3] {
        [("at_once", self.at_once.get()), ("late", self.late.get()), ("never", self.never.get())]
    }
}

/// The in-kernel filter of a gadget that does not look at everything, in mount namespaces.
#[derive(Debug, Default)]
pub struct SelectionGauge {
    entries: AtomicU64,
    room: AtomicU64,
    refused: AtomicU64,
}

impl SelectionGauge {
    /// Says how many namespaces are let through, how many could be, and how many found no room.
    pub fn set(&self, entries: u64, room: u64, refused: u64) {
        for (gauge, value) in [(&self.entries, entries), (&self.room, room), (&self.refused, refused)] {
            gauge.store(value, Ordering::Relaxed);
        }
    }

    /// Entries, room and what was refused; `None` for a gadget without such a filter.
    pub fn get(&self) -> Option<[u64; 3]> {
        let values = [&self.entries, &self.room, &self.refused].map(|gauge| gauge.load(Ordering::Relaxed));
        (values[1] > 0).then_some(values)
    }
}

/// The counts of one running gadget.
#[derive(Debug)]
pub struct GadgetEntry {
    /// The gadget's name in the configuration.
    pub name: Box<str>,
    /// Records read from the kernel.
    pub received: Counter,
    /// Records the kernel could not hand over (ring full), from the lost-samples maps.
    pub lost: Counter,
    /// How records of containers got their names.
    pub coverage: Arc<Coverage>,
    /// What its in-kernel filter holds.
    pub selection: SelectionGauge,
    /// Records put off until their container has a name.
    waiting: AtomicU64,
    filtered: Mutex<Vec<(Box<str>, Arc<Counter>)>>,
    dropped: Dropped,
    exporters: Mutex<Vec<Arc<ExporterEntry>>>,
}

impl GadgetEntry {
    /// The counter of records that `operator` removed; the same one for the same name.
    pub fn filtered_by(&self, operator: &str) -> Arc<Counter> {
        let mut all = self.filtered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = all.iter().find(|(name, _)| &**name == operator) {
            return counter.clone();
        }
        let counter = Arc::new(Counter::default());
        all.push((operator.into(), counter.clone()));
        counter
    }

    /// Counts `n` records more that wait.
    pub fn wait(&self, n: u64) {
        self.waiting.fetch_add(n, Ordering::Relaxed);
    }

    /// Counts `n` records that wait no longer.
    pub fn go_on(&self, n: u64) {
        self.waiting.fetch_sub(n, Ordering::Relaxed);
    }

    /// Counts `n` records that never reached an exporter.
    pub fn count_dropped(&self, reason: DropReason, n: u64) {
        self.dropped.add(reason, n);
    }

    /// The entry of `exporter` under this gadget; the same one for the same id.
    pub fn exporter(&self, exporter: &str) -> Arc<ExporterEntry> {
        let mut all = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.iter().find(|e| &*e.exporter == exporter) {
            return entry.clone();
        }
        let entry = Arc::new(ExporterEntry {
            gadget: self.name.clone(),
            exporter: exporter.into(),
            accepted: Counter::default(),
            delivered: Counter::default(),
            dropped: Dropped::default(),
        });
        all.push(entry.clone());
        entry
    }

    /// A consistent-enough copy of all counts: parts are read before the wholes they sum to.
    pub fn totals(&self) -> GadgetTotals {
        let exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        let exporters = exporters.iter().map(|e| e.totals()).collect();
        let filtered = self.filtered.lock().unwrap_or_else(PoisonError::into_inner);
        let filtered = filtered.iter().map(|(n, c)| (n.clone(), c.get())).collect();
        GadgetTotals {
            name: self.name.clone(),
            filtered,
            dropped: self.dropped.totals(),
            exporters,
            waiting: self.waiting.load(Ordering::Relaxed),
            coverage: self.coverage.totals(),
            selection: self.selection.get(),
            lost: self.lost.get(),
            received: self.received.get(),
        }
    }
}

/// The counts of one exporter for one gadget. Shared with the sender that delivers its bytes.
#[derive(Debug)]
pub struct ExporterEntry {
    /// The gadget's name in the configuration.
    pub gadget: Box<str>,
    /// The exporter's id, `type` or `type/name`.
    pub exporter: Box<str>,
    /// Records handed to the exporter.
    pub accepted: Counter,
    /// Records that the destination confirmed.
    pub delivered: Counter,
    dropped: Dropped,
}

impl ExporterEntry {
    /// Counts `n` accepted records that will not be delivered.
    pub fn count_dropped(&self, reason: DropReason, n: u64) {
        self.dropped.add(reason, n);
    }

    /// A copy of the counts.
    pub fn totals(&self) -> ExporterTotals {
        let delivered = self.delivered.get();
        let dropped = self.dropped.totals();
        ExporterTotals { exporter: self.exporter.clone(), delivered, dropped, accepted: self.accepted.get() }
    }
}

/// Counts of one exporter at one moment, in records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterTotals {
    /// The exporter's id.
    pub exporter: Box<str>,
    /// Handed to the exporter.
    pub accepted: u64,
    /// Confirmed by the destination.
    pub delivered: u64,
    /// Given up, by reason.
    pub dropped: Vec<(DropReason, u64)>,
}

impl ExporterTotals {
    /// Accepted and neither delivered nor dropped yet.
    pub fn in_flight(&self) -> u64 {
        self.accepted.saturating_sub(self.delivered).saturating_sub(sum(&self.dropped))
    }

    /// Given up for whatever reason.
    pub fn dropped_total(&self) -> u64 {
        sum(&self.dropped)
    }
}

/// Counts of one gadget at one moment, in records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GadgetTotals {
    /// The gadget's name in the configuration.
    pub name: Box<str>,
    /// Read from the kernel.
    pub received: u64,
    /// Lost in the kernel ring.
    pub lost: u64,
    /// Put off until their container has a name.
    pub waiting: u64,
    /// How records of containers got their names, each with the value of its label.
    pub coverage: [(&'static str, u64); 3],
    /// Mount namespaces in its in-kernel filter, how many there is room for, and how many found none.
    pub selection: Option<[u64; 3]>,
    /// Removed by each operator.
    pub filtered: Vec<(Box<str>, u64)>,
    /// Given up before any exporter, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// One per exporter.
    pub exporters: Vec<ExporterTotals>,
}

impl GadgetTotals {
    /// What the gadget's programs produced in the kernel.
    pub fn produced(&self) -> u64 {
        self.received + self.lost
    }

    /// Removed by all operators together.
    pub fn filtered_total(&self) -> u64 {
        self.filtered.iter().map(|(_, n)| n).sum()
    }

    /// Given up before any exporter.
    pub fn dropped_total(&self) -> u64 {
        sum(&self.dropped)
    }

    /// Whether every received record is accounted for in every exporter.
    pub fn closes(&self) -> bool {
        let selected = self.received.checked_sub(self.filtered_total() + self.dropped_total() + self.waiting);
        self.exporters.iter().all(|e| Some(e.accepted) == selected && e.delivered + e.dropped_total() <= e.accepted)
    }
}

fn sum(dropped: &[(DropReason, u64)]) -> u64 {
    dropped.iter().map(|(_, n)| n).sum()
}

/// Every gadget that runs or ran in this process, in the order of their start.
#[derive(Debug, Default)]
pub struct Ledger {
    gadgets: Mutex<Vec<Arc<GadgetEntry>>>,
}

impl Ledger {
    /// The entry of `gadget`. A gadget that is restarted under its name goes on counting in the same entry.
    pub fn gadget(&self, gadget: &str) -> Arc<GadgetEntry> {
        let mut all = self.gadgets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.iter().find(|e| &*e.name == gadget) {
            return entry.clone();
        }
        let entry = Arc::new(GadgetEntry {
            name: gadget.into(),
            received: Counter::default(),
            lost: Counter::default(),
            coverage: Arc::default(),
            selection: SelectionGauge::default(),
            waiting: AtomicU64::new(0),
            filtered: Mutex::default(),
            dropped: Dropped::default(),
            exporters: Mutex::default(),
        });
        all.push(entry.clone());
        entry
    }

    /// The counts of all gadgets.
    pub fn totals(&self) -> Vec<GadgetTotals> {
        let all = self.gadgets.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|g| g.totals()).collect()
    }
}
