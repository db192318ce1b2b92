//! One data source's way to its exporters: poll, process, export, account.

use std::sync::Arc;

use crate::batch::Batch;
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
        let before = batch.selection().count();
        self.operator.process(batch);
        let after = batch.selection().count();
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
    lost_before: u64,
    finished: bool,
    unflushed: bool,
}

impl Lane {
    pub(super) fn new(
        source: Box<dyn Datasource>,
        batch: Batch,
        stages: Vec<Stage>,
        outlets: Vec<Outlet>,
        entry: Arc<GadgetEntry>,
    ) -> Self {
        Lane { source, batch, stages, outlets, entry, lost_before: 0, finished: false, unflushed: false }
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
            self.pass_on();
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
        self.unflushed |= rows > 0;
        result.map(|()| Moved { rows, fill: (bytes * 256).checked_div(self.source.capacity()).unwrap_or(0) })
    }

    fn pass_on(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.batch.set_observed(clock::unix_now());
        for stage in &mut self.stages {
            stage.process(&mut self.batch);
        }
        // Received is counted last and per batch, so that its parts never exceed it for long.
        for outlet in &mut self.outlets {
            outlet.export(&self.batch);
        }
        self.entry.received.add(self.batch.len() as u64);
    }

    pub(super) fn count_lost(&mut self) {
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

    pub(super) fn wakeup(&self) -> Wakeup<'_> {
        if self.finished { Wakeup::Never } else { self.source.wakeup() }
    }
}
