//! The last answers, so that a row costs a comparison: the last one given, then a small direct-mapped table.

use std::time::{Duration, Instant};

use super::names::Answer;

/// Twice as many containers as a large node has, in 32 KiB.
const SLOTS: usize = 1024;
/// How long an answer that a process gave, or failed to give, is kept.
const MOMENT: Duration = Duration::from_millis(100);
/// Processes looked into per [`MOMENT`]: a program that makes namespaces in a loop must not slow the events of all others.
const RESOLUTIONS: u32 = 64;

#[derive(Clone, Copy, Default)]
struct Slot {
    key: u64,
    answer: Answer,
    /// Batch clock after which the answer is void; `u64::MAX`: valid as long as the inventory stays as it is.
    until: u64,
}

/// See the module. Times are nanoseconds since the first batch.
pub(super) struct Cache {
    last: Slot,
    slots: Box<[Slot]>,
    generation: Option<u64>,
    epoch: Option<Instant>,
    now: u64,
    window: u64,
    resolutions: u32,
}

impl Default for Cache {
    fn default() -> Self {
        let slots = vec![Slot::default(); SLOTS].into_boxed_slice();
        Cache { last: Slot::default(), slots, generation: None, epoch: None, now: 0, window: 0, resolutions: 0 }
    }
}

impl Cache {
    /// Starts a batch. A changed inventory voids everything.
    pub fn begin(&mut self, generation: u64, now: Instant) {
        let epoch = *self.epoch.get_or_insert(now);
        // From 1 on, so that an empty slot is always void.
        self.now = now.saturating_duration_since(epoch).as_nanos() as u64 + 1;
        if self.generation.replace(generation) != Some(generation) {
            self.slots.fill(Slot::default());
        }
        self.last = Slot::default();
        if self.now >= self.window {
            self.window = self.now + MOMENT.as_nanos() as u64;
            self.resolutions = 0;
        }
    }

    /// The answer for a namespace or a process, if there is a valid one.
    #[inline]
    pub fn get(&mut self, key: u64) -> Option<Answer> {
        if self.last.key == key && self.last.until >= self.now {
            return Some(self.last.answer);
        }
        let slot = *self.slots.get(index(key))?;
        if slot.key != key || slot.until < self.now {
            return None;
        }
        self.last = slot;
        Some(slot.answer)
    }

    /// Keeps an answer until the inventory changes.
    pub fn keep(&mut self, key: u64, answer: Answer) {
        self.put(Slot { key, answer, until: u64::MAX });
    }

    /// Keeps an answer for 100 ms.
    pub fn keep_for_a_moment(&mut self, key: u64, answer: Answer) {
        self.put(Slot { key, answer, until: self.now + MOMENT.as_nanos() as u64 });
    }

    /// Whether one more process may be looked into now.
    pub fn may_resolve(&mut self) -> bool {
        self.resolutions += 1;
        self.resolutions <= RESOLUTIONS
    }

    fn put(&mut self, slot: Slot) {
        self.last = slot;
        if let Some(place) = self.slots.get_mut(index(slot.key)) {
            *place = slot;
        }
    }
}

/// Numbers of namespaces and processes are consecutive, so their low bits spread well.
fn index(key: u64) -> usize {
    (key ^ (key >> 8)) as usize % SLOTS
}
