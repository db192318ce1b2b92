//! Lost records are worth an error in the log, but not one for each request: they are summed up by reason and said now and then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::DropReason;

/// How often losses for one reason are logged.
const INTERVAL: Duration = Duration::from_secs(10);

/// What was dropped and when that was last said, by reason.
#[derive(Default)]
pub(super) struct Complaints(Mutex<HashMap<DropReason, Unsaid>>);

#[derive(Default)]
struct Unsaid {
    records: u64,
    said: Option<Instant>,
}

impl Complaints {
    /// Adds lost records; gives how many to log if it is time to.
    pub(super) fn add(&self, reason: DropReason, records: u64) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaid = all.entry(reason).or_default();
        unsaid.records += records;
        let now = Instant::now();
        if unsaid.said.is_some_and(|at| now.duration_since(at) < INTERVAL) {
            return None;
        }
        unsaid.said = Some(now);
        Some(std::mem::take(&mut unsaid.records))
    }

    /// What was never logged, so that at the end the log's sums are the ledger's.
    pub(super) fn rest(&self) -> Vec<(DropReason, u64)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().map(|(reason, unsaid)| (reason, unsaid.records)).filter(|(_, records)| *records > 0).collect()
    }
}
