//! The last answers: the last address seen, then a small direct-mapped table, so that a row costs a comparison.

use std::net::IpAddr;

const SLOTS: usize = 512;

/// See the module. Valid for one state of what is known.
#[derive(Default)]
pub(super) struct Cache {
    last: Option<(IpAddr, u32)>,
    slots: Vec<Option<(IpAddr, u32)>>,
    generation: Option<u64>,
}

impl Cache {
    /// Starts a batch. Another state voids everything.
    pub fn begin(&mut self, generation: u64) {
        if self.generation.replace(generation) != Some(generation) {
            self.slots.clear();
            self.slots.resize(SLOTS, None);
            self.last = None;
        }
    }

    /// The entry of an address, by `look_up` when it is not at hand.
    #[inline]
    pub fn get(&mut self, address: IpAddr, look_up: impl FnOnce(IpAddr) -> u32) -> u32 {
        if let Some((last, entry)) = self.last
            && last == address
        {
            return entry;
        }
        let Some(slot) = self.slots.get_mut(index(address)) else { return look_up(address) };
        let entry = match *slot {
            Some((known, entry)) if known == address => entry,
            _ => look_up(address),
        };
        *slot = Some((address, entry));
        self.last = *slot;
        entry
    }
}

/// Addresses of one network differ in their last bytes.
fn index(address: IpAddr) -> usize {
    let low = match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() as u64 ^ (v6.to_bits() >> 64) as u64,
    };
    (low.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SLOTS
}
