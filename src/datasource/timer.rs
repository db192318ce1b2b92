//! When a source is due that does not announce itself.

use std::time::{Duration, Instant};

use super::Wakeup;
use crate::loader::Schedule;

/// What a source that is never due by itself waits for: nothing, in long naps.
const IDLE: Duration = Duration::from_secs(3600);

/// Counts the ticks of a schedule.
pub(super) struct Timer {
    schedule: Schedule,
    next: Option<Instant>,
    left: Option<u64>,
}

impl Timer {
    /// Starts now: the first tick is one interval away, or at once when there is to be only one and no interval.
    pub(super) fn start(schedule: Schedule, now: Instant) -> Self {
        let next = match (schedule.interval, schedule.count) {
            (Duration::ZERO, 1) => Some(now),
            (Duration::ZERO, _) => None,
            (interval, _) => Some(now + interval),
        };
        Timer { schedule, next, left: (schedule.count > 0).then_some(schedule.count) }
    }

    /// Whether a tick is due; it is then used up. Ticks that were missed are not made up for.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let Some(next) = self.next.filter(|next| *next <= now) else { return false };
        self.left = self.left.map(|left| left.saturating_sub(1));
        let interval = self.schedule.interval;
        let following = next + interval;
        self.next = (!self.is_finished() && !interval.is_zero()).then(|| if following > now { following } else { now + interval });
        true
    }

    /// Whether all ticks are used up.
    pub(super) fn is_finished(&self) -> bool {
        self.left == Some(0)
    }

    /// What to wait for before the next tick.
    pub(super) fn wakeup(&self, now: Instant) -> Wakeup<'static> {
        match self.next {
            Some(next) => Wakeup::After(next.saturating_duration_since(now)),
            None if self.is_finished() => Wakeup::Never,
            None => Wakeup::After(IDLE),
        }
    }

    /// Whether the schedule asks for one more run at the end.
    pub(super) fn at_stop(&self) -> bool {
        self.schedule.at_stop
    }
}
