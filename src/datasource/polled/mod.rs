//! Rows about the host, made when they are due: processes, BPF programs.

mod processes;
mod programs;
mod row;
#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use super::timer::Timer;
use super::{Datasource, DatasourceError, Progress, Wakeup};
use crate::batch::Batch;
use crate::gadget::polled::Polled;
use crate::loader::{PolledSource, Schedule};

/// Looks at everything of one kind and compares it with what it saw the last time.
trait Sampler: Send {
    /// Appends rows. The first look only remembers.
    fn sample(&mut self, now: Instant, rows: &mut Vec<u8>) -> io::Result<()>;
}

/// A polled source.
pub(super) struct Rows {
    sampler: Box<dyn Sampler>,
    timer: Timer,
    early: Option<Instant>,
    row_size: usize,
    rows: Vec<u8>,
    /// The byte of `rows` to hand on next.
    next: usize,
}

impl Rows {
    pub(super) fn new(source: PolledSource) -> Self {
        let now = Instant::now();
        let mut sampler: Box<dyn Sampler> = match source.what {
            Polled::Processes => Box::new(processes::Processes::new(now)),
            Polled::Programs { gadgets_only } => Box::new(programs::Programs::new(now, gadgets_only)),
        };
        // What came before is not part of the first interval. A failure shows again, and is reported, at the first look that counts.
        let _ = sampler.sample(now, &mut Vec::new());
        let schedule: Schedule = source.schedule;
        let early = (!source.first.is_zero()).then(|| now + source.first);
        Rows { sampler, timer: Timer::start(schedule, now), early, row_size: source.row_size.max(1), rows: Vec::new(), next: 0 }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        if self.early.is_some_and(|early| early <= now) {
            self.early = None;
            return true;
        }
        self.timer.tick(now)
    }
}

impl Datasource for Rows {
    fn poll(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        let now = Instant::now();
        if self.next >= self.rows.len() && self.is_due(now) {
            self.rows.clear();
            self.next = 0;
            let sampled = self.sampler.sample(now, &mut self.rows);
            sampled.map_err(|e| DatasourceError::new("look at the host's processes and programs".to_owned(), e))?;
        }
        while let Some(row) = self.rows.get(self.next..self.next + self.row_size) {
            if batch.is_full() {
                return Ok(Progress::More);
            }
            batch.push(row);
            self.next += self.row_size;
        }
        Ok(if self.timer.is_finished() { Progress::Finished } else { Progress::Drained })
    }

    fn wakeup(&self) -> Wakeup<'_> {
        let now = Instant::now();
        match (self.early, self.timer.wakeup(now)) {
            (Some(early), Wakeup::After(later)) => Wakeup::After(later.min(early.saturating_duration_since(now))),
            (Some(early), _) => Wakeup::After(early.saturating_duration_since(now)),
            (None, wakeup) => wakeup,
        }
    }

    fn lost(&mut self) -> u64 {
        0
    }

    /// What is left of the last look; none is made at the end.
    fn drain(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        (self.early, self.timer) = (None, Timer::start(Schedule { interval: Duration::ZERO, ..Schedule::default() }, Instant::now()));
        self.poll(batch)
    }
}
