//! `gadget_histogram_slot`: slot `i` counts values whose integer base-2 logarithm is `i`; slot 0 holds 0 and 1.

/// Upper bounds of `slots` slots as exporters show them: slot `i` ends at `1 << i`; at most 64.
pub fn boundaries(slots: usize) -> Vec<u64> {
    (0..slots.min(64)).map(|slot| 1 << slot).collect()
}

/// The slot that counts `value`.
pub fn slot(value: u64) -> usize {
    value.checked_ilog2().unwrap_or(0) as usize
}
