//! How long a worker lets a ring fill before it reads again.
//!
//! A reader that waits on the ring's descriptor is woken for nearly every record, and the traced program pays for it.
//! So under load the worker sleeps without waiting on the ring: long enough to find a worthwhile batch, short enough
//! that the ring stays far from full. When there was nothing to read it waits on the ring and is woken at once.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_micros(500);
const LONGEST: Duration = Duration::from_millis(8);
/// A ring found fuller than this (in 1/256) is read sooner the next time.
const HIGH: usize = 64;
/// One found emptier than this is left alone for longer.
const LOW: usize = 24;

/// The pause of one worker.
#[derive(Debug)]
pub(super) struct Pacer {
    pause: Duration,
}

impl Pacer {
    pub(super) fn new() -> Self {
        Pacer { pause: SHORTEST }
    }

    /// The pause after a turn that found `rows` records and a ring `fill`/256 full; `None`: wait to be woken.
    pub(super) fn after(&mut self, rows: usize, fill: usize) -> Option<Duration> {
        if rows == 0 {
            self.pause = SHORTEST;
            return None;
        }
        let pause = self.pause;
        if fill > HIGH {
            self.pause = (self.pause / 2).max(SHORTEST / 4);
        } else if fill < LOW {
            self.pause = (self.pause * 2).min(LONGEST);
        }
        Some(pause.min(self.pause.max(SHORTEST / 4)))
    }
}
