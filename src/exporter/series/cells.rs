//! The values of one metric, a cell per series of its group.

use std::sync::Arc;

use super::{FamilyKind, PointValue};
use crate::batch::{Batch, FieldId, Value};

/// How rows become the value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// Each row counts one.
    Count,
    /// Adds the field's value up.
    Sum(FieldId),
    /// Keeps the field's last value.
    Last(FieldId),
    /// Puts the field's value into a bucket.
    Observe(FieldId, Arc<[f64]>),
    /// Adds the field's base-2 histogram up: slot i counts values in [2^i, 2^(i+1)), slot 0 has 0 too, the last slot all above.
    Slots(FieldId, Arc<[f64]>),
}

impl Measure {
    /// What the points of the metric are.
    pub fn kind(&self) -> FamilyKind {
        match self {
            Measure::Count | Measure::Sum(_) => FamilyKind::Counter,
            Measure::Last(_) => FamilyKind::Gauge,
            Measure::Observe(_, bounds) | Measure::Slots(_, bounds) => FamilyKind::Histogram { bounds: bounds.clone() },
        }
    }
}

/// The bounds of a base-2 histogram of `slots` slots: 2, 4, 8 up to 2^(slots-1); what is in the last slot has no bound.
pub fn slot_bounds(slots: usize) -> Arc<[f64]> {
    (1..slots as i32).map(|i| 2f64.powi(i)).collect()
}

/// The values of one metric.
#[derive(Debug)]
pub enum Cells {
    /// Unsigned integers.
    Integers(Vec<u64>),
    /// Floats and signed integers.
    Numbers(Vec<f64>),
    /// Distributions: the counts of a series are `buckets` long.
    Histograms {
        /// Buckets of one series.
        buckets: usize,
        /// All series, one after the other.
        counts: Vec<u64>,
        /// One per series.
        sums: Vec<f64>,
    },
}

impl Cells {
    /// No series yet; `integers` says whether the values of the field are unsigned.
    pub fn new(measure: &Measure, integers: bool) -> Self {
        match measure {
            Measure::Observe(_, bounds) | Measure::Slots(_, bounds) => {
                Cells::Histograms { buckets: bounds.len() + 1, counts: Vec::new(), sums: Vec::new() }
            }
            _ if integers => Cells::Integers(Vec::new()),
            _ => Cells::Numbers(Vec::new()),
        }
    }

    /// Adds a series at zero.
    pub fn push(&mut self) {
        match self {
            Cells::Integers(values) => values.push(0),
            Cells::Numbers(values) => values.push(0.0),
            Cells::Histograms { buckets, counts, sums } => {
                counts.resize(counts.len() + *buckets, 0);
                sums.push(0.0);
            }
        }
    }

    /// Removes series `index`; the last one takes its place.
    pub fn swap_remove(&mut self, index: usize) {
        match self {
            Cells::Integers(values) => drop(values.swap_remove(index)),
            Cells::Numbers(values) => drop(values.swap_remove(index)),
            Cells::Histograms { buckets, counts, sums } => {
                let last = counts.len().saturating_sub(*buckets);
                counts.copy_within(last.., index * *buckets);
                counts.truncate(last);
                sums.swap_remove(index);
            }
        }
    }

    /// Adds a row to series `index`.
    pub fn record(&mut self, index: usize, measure: &Measure, batch: &Batch, row: usize, scratch: &mut Vec<u8>) {
        match measure {
            Measure::Count => self.add(index, Value::Uint(1)),
            Measure::Sum(field) => self.add(index, batch.value(row, *field, scratch)),
            Measure::Last(field) => self.set(index, batch.value(row, *field, scratch)),
            Measure::Observe(field, bounds) => self.observe(index, bounds, batch.value(row, *field, scratch)),
            Measure::Slots(field, _) => self.slots(index, batch.value(row, *field, scratch)),
        }
    }

    fn add(&mut self, index: usize, value: Value<'_>) {
        match self {
            Cells::Integers(values) => {
                if let (Some(cell), Value::Uint(v)) = (values.get_mut(index), value) {
                    *cell = cell.wrapping_add(v);
                }
            }
            Cells::Numbers(values) => {
                // A counter never falls: what would make it fall, or stop being a number, is left out.
                if let (Some(cell), Some(v)) = (values.get_mut(index), number(value).filter(|v| v.is_finite() && *v > 0.0)) {
                    *cell += v;
                }
            }
            Cells::Histograms { .. } => {}
        }
    }

    fn set(&mut self, index: usize, value: Value<'_>) {
        match self {
            Cells::Integers(values) => {
                if let (Some(cell), Value::Uint(v)) = (values.get_mut(index), value) {
                    *cell = v;
                }
            }
            Cells::Numbers(values) => {
                if let (Some(cell), Some(v)) = (values.get_mut(index), number(value)) {
                    *cell = v;
                }
            }
            Cells::Histograms { .. } => {}
        }
    }

    fn observe(&mut self, index: usize, bounds: &[f64], value: Value<'_>) {
        let Some(value) = number(value).filter(|v| !v.is_nan()) else { return };
        self.bucket(index, bounds.partition_point(|bound| *bound < value), 1, value);
    }

    fn slots(&mut self, index: usize, value: Value<'_>) {
        for slot in 0..value.elements() {
            let count = match value.element(slot) {
                Value::Uint(count) => count,
                Value::Int(count) => u64::try_from(count).unwrap_or(0),
                _ => 0,
            };
            if count > 0 {
                let middle = if slot == 0 { 0.5 } else { 1.5 * 2f64.powi(slot as i32) };
                self.bucket(index, slot, count, middle);
            }
        }
    }

    fn bucket(&mut self, index: usize, bucket: usize, n: u64, value: f64) {
        let Cells::Histograms { buckets, counts, sums } = self else { return };
        let bucket = bucket.min(*buckets - 1);
        if let (Some(count), Some(sum)) = (counts.get_mut(index * *buckets + bucket), sums.get_mut(index)) {
            *count = count.wrapping_add(n);
            *sum += value * n as f64;
        }
    }

    /// The value of series `index`.
    pub fn value(&self, index: usize) -> Option<PointValue> {
        match self {
            Cells::Integers(values) => values.get(index).copied().map(PointValue::Integer),
            Cells::Numbers(values) => values.get(index).copied().map(PointValue::Number),
            Cells::Histograms { buckets, counts, sums } => {
                let counts = counts.get(index * buckets..(index + 1) * buckets)?.to_vec();
                let count = counts.iter().fold(0u64, |sum, n| sum.wrapping_add(*n));
                Some(PointValue::Histogram { counts, sum: *sums.get(index)?, count })
            }
        }
    }
}

fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Bool(v) => Some(f64::from(u8::from(v))),
        Value::Int(v) => Some(v as f64),
        Value::Uint(v) => Some(v as f64),
        Value::Float(v) => Some(v),
        _ => None,
    }
}
