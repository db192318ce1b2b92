//! How long a worker lets a ring fill before it reads again.
//!
//! A reader that waits on the ring's descriptor is woken for nearly every record, and the traced program pays for it.
//! So under load the worker sleeps without waiting on the ring: long enough to find a worthwhile batch, short enough
//! that the ring stays far from full. When there was nothing to read it waits on the ring and is woken at once.

use std::time::Duration;

/// The first pause after an idle time.
const FIRST: Duration = Duration::from_micros(500);
const SHORTEST: Duration = Duration::from_micros(125);
/// A burst that comes during the longest pause must fit: 1 MiB in 4 ms is two million records of 128 bytes a second.
const LONGEST: Duration = Duration::from_millis(4);
/// How full a ring should be when it is read, in 1/256.
const TARGET: u32 = 48;

/// The pause of one worker.
#[derive(Debug)]
pub(super) struct Pacer {
    pause: Duration,
}

impl Pacer {
    pub(super) fn new() -> Self {
        Pacer { pause: FIRST }
    }

    /// The pause after a turn that found `rows` records and a ring `fill`/256 full; `None`: wait to be woken.
    pub(super) fn after(&mut self, rows: usize, fill: usize) -> Option<Duration> {
        if rows == 0 {
            self.pause = FIRST;
            return None;
        }
        // As long as would have filled it to the target, but never more than twice as long as the last time.
        let fill = u32::try_from(fill).unwrap_or(u32::MAX).max(1);
        let fitting = self.pause * TARGET / fill;
        self.pause = fitting.min(self.pause * 2).clamp(SHORTEST, LONGEST);
        Some(self.pause)
    }
}
