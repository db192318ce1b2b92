//! Records that wait for the name of their container: a bounded place, a bounded time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::batch::{Batch, DEFERRED_OVERHEAD, Round};
use crate::container::PATIENCE;

/// Bytes of records that one data source may have waiting, what keeping them takes included.
const ROOM: usize = 8 << 20;
/// From one look to the next, while something waits.
pub(super) const RETRY: Duration = Duration::from_millis(10);

/// See the module. What came first goes first.
#[derive(Default)]
pub(super) struct Waiting {
    records: VecDeque<Record>,
    bytes: usize,
    tried: Option<Instant>,
}

struct Record {
    bytes: Box<[u8]>,
    until: Instant,
}

impl Waiting {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of records that there is still room for.
    pub fn room(&self) -> usize {
        ROOM.saturating_sub(self.bytes)
    }

    /// Whether it is time to look again.
    pub fn is_due(&self, now: Instant) -> bool {
        !self.is_empty() && self.tried.is_none_or(|at| now.saturating_duration_since(at) >= RETRY)
    }

    /// Begins to look at all that wait; gives how many these are.
    pub fn begin(&mut self, now: Instant) -> usize {
        self.tried = Some(now);
        self.records.len()
    }

    /// Moves the next records, at most `left` of them, into an empty batch: those whose time is up, or else those that may wait on.
    /// Gives until when each of these may.
    pub fn take(&mut self, left: usize, now: Instant, batch: &mut Batch) -> Vec<Instant> {
        let mut until = Vec::new();
        let Some(first) = self.records.front() else { return until };
        let is_last = first.until <= now;
        batch.begin(if is_last { Round::Last } else { Round::Again }, self.room());
        while until.len() < left && !batch.is_full() {
            let Some(record) = self.records.pop_front_if(|record| (record.until <= now) == is_last) else { break };
            self.bytes -= record.bytes.len() + DEFERRED_OVERHEAD;
            batch.push(&record.bytes);
            until.push(record.until);
        }
        // What was taken may come back.
        batch.begin(batch.round(), self.room());
        until
    }

    /// Keeps the rows that a batch puts off: those of the first round from now on, others as long as was said before.
    pub fn keep(&mut self, batch: &Batch, before: &[Instant], now: Instant) {
        for row in batch.deferred() {
            let bytes: Box<[u8]> = batch.row(*row as usize).into();
            self.bytes += bytes.len() + DEFERRED_OVERHEAD;
            let until = before.get(*row as usize).copied().unwrap_or(now + PATIENCE);
            self.records.push_back(Record { bytes, until });
        }
    }
}
