//! The last answers, so that a row costs a comparison: the last namespace seen, then a small direct-mapped table.

use std::time::{Duration, Instant};

const SLOTS: usize = 256;
/// How long an answer that a process gave, or failed to give, is kept.
const MOMENT: Duration = Duration::from_millis(100);
/// Processes looked into per [`MOMENT`]: a program that makes namespaces in a loop must not slow the events of all others.
const RESOLUTIONS: u32 = 64;

#[derive(Clone, Copy, Default)]
struct Slot {
    mntns: u64,
    entry: u32,
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

    /// The answer for a namespace, if there is a valid one.
    #[inline]
    pub fn get(&mut self, mntns: u64) -> Option<u32> {
        if self.last.mntns == mntns && self.last.until >= self.now {
            return Some(self.last.entry);
        }
        let slot = *self.slots.get(index(mntns))?;
        if slot.mntns != mntns || slot.until < self.now {
            return None;
        }
        self.last = slot;
        Some(slot.entry)
    }

    /// Keeps an answer until the inventory changes.
    pub fn keep(&mut self, mntns: u64, entry: u32) {
        self.put(Slot { mntns, entry, until: u64::MAX });
    }

    /// Keeps an answer for 100 ms.
    pub fn keep_for_a_moment(&mut self, mntns: u64, entry: u32) {
        self.put(Slot { mntns, entry, until: self.now + MOMENT.as_nanos() as u64 });
    }

    /// Whether one more process may be looked into now.
    pub fn may_resolve(&mut self) -> bool {
        self.resolutions += 1;
        self.resolutions <= RESOLUTIONS
    }

    fn put(&mut self, slot: Slot) {
        self.last = slot;
        if let Some(place) = self.slots.get_mut(index(slot.mntns)) {
            *place = slot;
        }
    }
}

/// Namespace numbers are consecutive, so their low bits spread well.
fn index(mntns: u64) -> usize {
    (mntns ^ (mntns >> 8)) as usize % SLOTS
}
