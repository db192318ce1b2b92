//! One data source's way to its exporters: poll, process, export, account.

use std::sync::Arc;
use std::time::Instant;

use super::waiting::{RETRY, Waiting};
use crate::batch::{Batch, FieldId, Kind, Round, Source, SourceKind, Value};
use crate::component::{Exporter, Operator};
use crate::datasource::{Datasource, DatasourceError, Progress, Wakeup};
use crate::kernel::clock;
use crate::telemetry::{Counter, ExporterEntry, GadgetEntry};

/// An operator and the count of what it took out.
pub(super) struct Stage {
    operator: Box<dyn Operator>,
    filtered: Arc<Counter>,
}

impl Stage {
    pub(super) fn new(operator: Box<dyn Operator>, filtered: Arc<Counter>) -> Self {
        Stage { operator, filtered }
    }

    fn process(&mut self, batch: &mut Batch) {
        // What is put off is not taken out.
        let kept = |batch: &Batch| batch.selection().count() + batch.deferred().len();
        let before = kept(batch);
        self.operator.process(batch);
        let after = kept(batch);
        if before > after {
            self.filtered.add((before - after) as u64);
        }
    }
}

/// An exporter and the account of what it was given.
pub(super) struct Outlet {
    exporter: Box<dyn Exporter>,
    entry: Arc<ExporterEntry>,
}

impl Outlet {
    pub(super) fn new(exporter: Box<dyn Exporter>, entry: Arc<ExporterEntry>) -> Self {
        Outlet { exporter, entry }
    }

    fn export(&mut self, batch: &Batch) {
        let rows = batch.selection().count() as u64;
        self.entry.accepted.add(rows);
        if rows == 0 {
            return;
        }
        if let Err(error) = self.exporter.export(batch) {
            self.entry.count_dropped(error.reason, rows);
            tracing::debug!(gadget = %self.entry.gadget, exporter = %self.entry.exporter, %error, rows, "exporter took nothing of a batch");
        }
    }
}

/// So long after a handover no ring holds events from before it.
const SETTLED: u64 = 10_000_000_000;

/// Keeps a gadget that a reload replaces and its successor from reporting the same event: for a moment both are attached.
struct Handover {
    stamp: Option<FieldId>,
    filtered: Arc<Counter>,
    since: u64,
    until: u64,
}

impl Handover {
    fn new(batch: &Batch, entry: &GadgetEntry) -> Self {
        let stamp = batch.schema().iter().find(|(_, f)| matches!(f.source, Source::BootTime { .. })).map(|(id, _)| id);
        Handover { stamp, filtered: entry.filtered_by("handover"), since: 0, until: u64::MAX }
    }

    fn process(&mut self, batch: &mut Batch) {
        if self.since == 0 && self.until == u64::MAX {
            return;
        }
        let Some(field) = self.stamp.and_then(|id| batch.schema().field(id).cloned()) else { return };
        let stamp = |row: usize| match Value::of(Kind::Uint(8), batch.raw(row, &field)) {
            Value::Uint(at) if at != 0 => at,
            _ => self.since,
        };
        let others: Vec<usize> = batch.selection().iter().filter(|row| !(self.since..self.until).contains(&stamp(*row))).collect();
        // Rings are almost in order of time: a whole batch of its own means that the predecessor's time is over.
        if others.is_empty() && self.until == u64::MAX && clock::boot_now() > self.since + SETTLED {
            self.since = 0;
        }
        others.iter().for_each(|row| batch.selection_mut().remove(*row));
        self.filtered.add(others.len() as u64);
    }
}

/// How much a turn of a lane moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Records.
    pub(super) rows: usize,
    /// Their bytes, as a share of what the kernel can hold, in 1/256.
    pub(super) fill: usize,
}

/// Which call yields the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// While the programs are attached.
    Poll,
    /// After they were detached: everything that is left.
    Drain,
}

/// One data source with its chain.
pub(super) struct Lane {
    source: Box<dyn Datasource>,
    batch: Batch,
    stages: Vec<Stage>,
    outlets: Vec<Outlet>,
    entry: Arc<GadgetEntry>,
    handover: Handover,
    lost_before: u64,
    finished: bool,
    unflushed: bool,
    waiting: Waiting,
}

impl Lane {
    pub(super) fn new(
        source: Box<dyn Datasource>,
        batch: Batch,
        stages: Vec<Stage>,
        outlets: Vec<Outlet>,
        entry: Arc<GadgetEntry>,
    ) -> Self {
        let handover = Handover::new(&batch, &entry);
        let waiting = Waiting::default();
        Lane { source, batch, stages, outlets, entry, handover, lost_before: 0, finished: false, unflushed: false, waiting }
    }

    /// Moves everything there is, batch by batch.
    pub(super) fn turn(&mut self, turn: Turn) -> Result<Moved, DatasourceError> {
        let mut rows = 0;
        let mut bytes = 0;
        let result = loop {
            self.batch.clear();
            let polled = match turn {
                Turn::Poll if self.finished => Ok(Progress::Finished),
                Turn::Poll => self.source.poll(&mut self.batch),
                Turn::Drain => self.source.drain(&mut self.batch),
            };
            rows += self.batch.len();
            bytes += self.batch.bytes();
            self.batch.begin(Round::First, self.waiting.room());
            self.pass_on(&[]);
            match polled {
                Ok(Progress::More) => {}
                Ok(Progress::Drained) => break Ok(()),
                Ok(Progress::Finished) => {
                    self.finished = true;
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        self.count_lost();
        self.look_again(turn);
        // All batches of a set come in one turn. A set without rows is one, too.
        if self.source.take_fetched() || (rows > 0 && self.batch.schema().kind() == SourceKind::Array) {
            self.outlets.iter_mut().for_each(|o| o.exporter.end_of_set());
        }
        self.unflushed |= rows > 0;
        result.map(|()| Moved { rows, fill: (bytes * 256).checked_div(self.source.capacity()).unwrap_or(0) })
    }

    /// Takes the batch through the chain; `until` is how long each of its rows may still wait, if they have waited before.
    fn pass_on(&mut self, until: &[Instant]) {
        if self.batch.is_empty() {
            return;
        }
        self.batch.set_observed(clock::unix_now());
        self.handover.process(&mut self.batch);
        for stage in &mut self.stages {
            stage.process(&mut self.batch);
        }
        if !self.batch.deferred().is_empty() {
            self.waiting.keep(&self.batch, until, Instant::now());
            self.entry.wait(self.batch.deferred().len() as u64);
        }
        // Received is counted last and per batch, so that its parts never exceed it for long.
        for outlet in &mut self.outlets {
            outlet.export(&self.batch);
        }
        match self.batch.round() {
            Round::First => self.entry.received.add(self.batch.len() as u64),
            Round::Again | Round::Last => self.entry.go_on(self.batch.len() as u64),
        }
    }

    /// Looks again at what waits for a name; at the end until nothing does.
    fn look_again(&mut self, turn: Turn) {
        let mut now = Instant::now();
        while self.waiting.is_due(now) || (turn == Turn::Drain && !self.waiting.is_empty()) {
            if turn == Turn::Drain && !self.waiting.is_due(now) {
                std::thread::sleep(RETRY);
                now = Instant::now();
            }
            let mut left = self.waiting.begin(now);
            while left > 0 {
                self.batch.clear();
                let until = self.waiting.take(left, now, &mut self.batch);
                left = if until.is_empty() { 0 } else { left - until.len() };
                self.pass_on(&until);
                self.unflushed = true;
            }
        }
    }

    /// Whether records wait for a name, so that it has to be looked at them again soon.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Leaves events before `boot_ns` to a predecessor.
    pub(super) fn take_over(&mut self, boot_ns: u64) {
        self.handover.since = boot_ns;
    }

    /// Leaves events from `boot_ns` on to a successor.
    pub(super) fn hand_over(&mut self, boot_ns: u64) {
        self.handover.until = boot_ns;
    }

    fn count_lost(&mut self) {
        let lost = self.source.lost();
        if lost > self.lost_before {
            self.entry.lost.add(lost - self.lost_before);
            self.lost_before = lost;
        }
    }

    /// Hands on what exporters buffer.
    pub(super) fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            self.outlets.iter_mut().for_each(|o| o.exporter.flush());
        }
    }

    /// Whether there will never be more records.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn wakeup(&self) -> Wakeup<'_> {
        if self.finished { Wakeup::Never } else { self.source.wakeup() }
    }
}
