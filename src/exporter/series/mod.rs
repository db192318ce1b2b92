//! Events and map rows become cumulative series, for every exporter that ships metrics.
//!
//! A [`SeriesSet`] belongs to one exporter and one data source. The worker adds batches to it, the exporter takes
//! snapshots; both lock it through an `Arc<Mutex<_>>`, once per batch and once per scrape.

mod bind;
mod cells;
mod group;
mod key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::batch::{Batch, GadgetIdentity};
use crate::component::{BindError, ExporterSource};
use crate::kernel::clock;
use group::Group;

/// How many series a set of metrics with the same attributes may have when nothing else is configured.
pub const DEFAULT_LIMIT: usize = 2000;

/// The attribute of the series that takes the events of all series beyond the limit.
pub const OVERFLOW_ATTRIBUTE: &str = "otel.metric.overflow";

/// One metric with all its series at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// OpenTelemetry style, with dots: `metrics.name` of the field, else the field's full name, as upstream does.
    pub name: String,
    /// What it means; may be empty.
    pub description: String,
    /// UCUM unit; may be empty.
    pub unit: String,
    /// The gadget it comes from: the instrumentation scope.
    pub scope: GadgetIdentity,
    /// What the points are.
    pub kind: FamilyKind,
    /// Since when counters and histograms add up, in nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// One per series.
    pub points: Vec<Point>,
}

/// What kind of metric.
#[derive(Debug, Clone, PartialEq)]
pub enum FamilyKind {
    /// A cumulative, monotonic sum.
    Counter,
    /// The last value.
    Gauge,
    /// A cumulative distribution.
    Histogram {
        /// Inclusive upper bounds of all buckets but the last, ascending.
        bounds: Arc<[f64]>,
    },
}

/// One series at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Sorted as configured; names are unique.
    pub attributes: Vec<(String, AttrValue)>,
    /// Its value.
    pub value: PointValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttrValue {
    /// Text; invalid UTF-8 replaced.
    Text(String),
    /// Whole number.
    Int(i64),
    /// Truth.
    Bool(bool),
    /// Floating point number.
    Float(f64),
}

/// The value of a point.
#[derive(Debug, Clone, PartialEq)]
pub enum PointValue {
    /// A float, or an integer that may be negative.
    Number(f64),
    /// An unsigned integer.
    Integer(u64),
    /// A distribution.
    Histogram {
        /// Observations per bucket, not cumulated: one more than there are bounds.
        counts: Vec<u64>,
        /// Sum of the observations. Of a kernel histogram it is an estimate: each observation counts as the middle of its slot.
        sum: f64,
        /// Number of observations.
        count: u64,
    },
}

/// All metrics made of one data source.
pub struct SeriesSet {
    scope: GadgetIdentity,
    start_unix_ns: u64,
    groups: Vec<Group>,
}

impl SeriesSet {
    /// Finds out which metrics the records of `source` make; `None` when they make none.
    ///
    /// They come from the annotations and C types of the fields, from `metrics.implicit-counter.name` of the data source and from
    /// the `metrics` list of the configuration. Each group of metrics with the same attributes may have `limit` series.
    ///
    /// # Errors
    /// When a field is missing or cannot be what a metric needs, or two metrics have one name.
    pub fn bind(source: &ExporterSource, limit: usize) -> Result<Option<Self>, BindError> {
        let groups = bind::groups(&source.schema, &source.metrics, limit)?;
        if groups.is_empty() {
            return Ok(None);
        }
        let start_unix_ns = clock::unix_now();
        Ok(Some(SeriesSet { scope: source.schema.gadget().clone(), start_unix_ns, groups }))
    }

    /// Adds the selected rows of `batch`, whose schema must be the one of [`SeriesSet::bind`].
    pub fn absorb(&mut self, batch: &Batch) {
        for group in &mut self.groups {
            group.absorb(batch);
        }
    }

    /// All metrics with their current values.
    pub fn snapshot(&self) -> Vec<Family> {
        self.groups.iter().flat_map(|group| group.families(&self.scope, self.start_unix_ns)).collect()
    }

    /// All metrics without points, for whoever wants to know the names.
    pub fn families(&self) -> Vec<Family> {
        self.groups.iter().flat_map(|group| group.empty_families(&self.scope, self.start_unix_ns)).collect()
    }

    /// Number of series in all groups.
    pub fn len(&self) -> usize {
        self.groups.iter().map(Group::len).sum()
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows that went to an overflow series because their own would have been beyond the limit.
    pub fn overflowed(&self) -> u64 {
        self.groups.iter().map(Group::overflowed).sum()
    }

    /// Forgets the series that got nothing since `before_unix_ns` (nanoseconds since the Unix epoch).
    pub fn expire(&mut self, before_unix_ns: u64) {
        for group in &mut self.groups {
            group.expire(before_unix_ns);
        }
    }
}
