//! Who owns the records of a request, and how its end is booked to them.

use std::sync::Arc;

use crate::telemetry::{DropReason, ExporterEntry};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Delivered but for some records.
    Delivered { rejected: u64 },
    /// All dropped.
    Dropped(DropReason),
}

/// The owners of a request's records. What is not settled when it is dropped counts as [`DropReason::Shutdown`], so that no way out
/// of a consumer, the end of the runtime included, leaves records unaccounted.
#[derive(Default)]
pub(super) struct Account {
    shares: Vec<(Arc<ExporterEntry>, u64)>,
}

impl Account {
    /// Adds records of `entry`.
    pub(super) fn add(&mut self, entry: &Arc<ExporterEntry>, records: u64) {
        match self.shares.iter_mut().find(|(e, _)| Arc::ptr_eq(e, entry)) {
            Some((_, n)) => *n += records,
            None => self.shares.push((entry.clone(), records)),
        }
    }

    /// All records.
    pub(super) fn records(&self) -> u64 {
        self.shares.iter().map(|(_, n)| n).sum()
    }

    /// Books every record.
    pub(super) fn settle(mut self, verdict: Verdict) {
        self.book(verdict);
    }

    fn book(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Dropped(reason) => self.shares.drain(..).for_each(|(entry, n)| ExporterEntry::count_dropped(&entry, reason, n)),
            Verdict::Delivered { rejected } => self.book_partial(rejected),
        }
    }

    /// A receiver says how many it refused, not which: everyone bears a proportional part, rounded down, and the largest bear the rest.
    fn book_partial(&mut self, rejected: u64) {
        let total = self.records();
        let rejected = rejected.min(total);
        self.shares.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let part = |n: u64| (u128::from(rejected) * u128::from(n)).checked_div(u128::from(total)).unwrap_or(0) as u64;
        let mut rest = rejected - self.shares.iter().map(|(_, n)| part(*n)).sum::<u64>();
        for (entry, n) in self.shares.drain(..) {
            let extra = rest.min(n - part(n));
            rest -= extra;
            let refused = part(n) + extra;
            entry.delivered.add(n - refused);
            ExporterEntry::count_dropped(&entry, DropReason::Rejected, refused);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.book(Verdict::Dropped(DropReason::Shutdown));
    }
}
