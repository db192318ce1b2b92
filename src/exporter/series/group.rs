//! Metrics that share their attributes, and so their series.

use std::collections::HashMap;

use super::cells::{Cells, Measure};
use super::{AttrValue, Family, OVERFLOW_ATTRIBUTE, Point, key};
use crate::batch::{Batch, FieldId, GadgetIdentity};

/// A field that becomes an attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The attribute's name.
    pub name: String,
    /// Where its value comes from.
    pub field: FieldId,
}

/// One metric of a group.
#[derive(Debug)]
pub struct Metric {
    /// See [`Family::name`].
    pub name: String,
    /// See [`Family::description`].
    pub description: String,
    /// See [`Family::unit`].
    pub unit: String,
    /// How it is made.
    pub measure: Measure,
    /// Its values.
    pub cells: Cells,
}

#[derive(Debug)]
struct Series {
    /// Empty for the overflow series, which no key leads to.
    key: Box<[u8]>,
    attributes: Vec<(String, AttrValue)>,
    updated: u64,
}

/// Metrics that share their attributes.
#[derive(Debug)]
pub struct Group {
    labels: Vec<Label>,
    metrics: Vec<Metric>,
    limit: usize,
    index: HashMap<Box<[u8]>, usize>,
    series: Vec<Series>,
    overflow: Option<usize>,
    overflowed: u64,
    key: Vec<u8>,
    scratch: Vec<u8>,
}

impl Group {
    /// A group without metrics and series.
    pub fn new(labels: Vec<Label>, limit: usize) -> Self {
        Group {
            labels,
            metrics: Vec::new(),
            limit,
            index: HashMap::new(),
            series: Vec::new(),
            overflow: None,
            overflowed: 0,
            key: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Its attributes.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Adds a metric, before the first batch.
    pub fn add(&mut self, metric: Metric) {
        self.metrics.push(metric);
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Rows counted in the overflow series.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Adds the selected rows of `batch`.
    pub fn absorb(&mut self, batch: &Batch) {
        for row in batch.selection().iter() {
            let index = self.locate(batch, row);
            if let Some(series) = self.series.get_mut(index) {
                series.updated = batch.observed();
            }
            for metric in &mut self.metrics {
                metric.cells.record(index, &metric.measure, batch, row, &mut self.scratch);
            }
        }
    }

    /// The series of a row: the known one, a new one, or the overflow series.
    fn locate(&mut self, batch: &Batch, row: usize) -> usize {
        self.key.clear();
        for label in &self.labels {
            key::append(&mut self.key, batch.value(row, label.field, &mut self.scratch));
        }
        if let Some(index) = self.index.get(self.key.as_slice()) {
            return *index;
        }
        if self.index.len() >= self.limit {
            self.overflowed += 1;
            return self.overflow_series();
        }
        let attributes = self.attributes(batch, row);
        let key: Box<[u8]> = self.key.as_slice().into();
        let index = self.push(key.clone(), attributes);
        self.index.insert(key, index);
        index
    }

    fn overflow_series(&mut self) -> usize {
        if let Some(index) = self.overflow {
            return index;
        }
        let index = self.push(Box::default(), vec![(OVERFLOW_ATTRIBUTE.to_owned(), AttrValue::Bool(true))]);
        self.overflow = Some(index);
        index
    }

    fn attributes(&mut self, batch: &Batch, row: usize) -> Vec<(String, AttrValue)> {
        let mut attributes = Vec::with_capacity(self.labels.len());
        for label in &self.labels {
            if let Some(value) = key::attribute(batch.value(row, label.field, &mut self.scratch)) {
                attributes.push((label.name.clone(), value));
            }
        }
        attributes
    }

    fn push(&mut self, key: Box<[u8]>, attributes: Vec<(String, AttrValue)>) -> usize {
        self.series.push(Series { key, attributes, updated: 0 });
        for metric in &mut self.metrics {
            metric.cells.push();
        }
        self.series.len() - 1
    }

    /// Forgets the series that got nothing since `before`; the overflow series stays.
    pub fn expire(&mut self, before: u64) {
        // From the back, so that the series swapped into a gap has been looked at already.
        for index in (0..self.series.len()).rev() {
            let stale = self.series.get(index).is_some_and(|s| s.updated < before);
            if stale && self.overflow != Some(index) {
                self.remove(index);
            }
        }
    }

    fn remove(&mut self, index: usize) {
        let removed = self.series.swap_remove(index);
        self.index.remove(&removed.key);
        for metric in &mut self.metrics {
            metric.cells.swap_remove(index);
        }
        let moved_from = self.series.len();
        if self.overflow == Some(moved_from) {
            self.overflow = Some(index);
        } else if let Some(position) = self.series.get(index).and_then(|moved| self.index.get_mut(&moved.key)) {
            *position = index;
        }
    }

    /// The metrics with their values.
    pub fn families(&self, scope: &GadgetIdentity, start_unix_ns: u64) -> Vec<Family> {
        let mut families = self.empty_families(scope, start_unix_ns);
        for (family, metric) in families.iter_mut().zip(&self.metrics) {
            let values = self.series.iter().enumerate().filter_map(|(i, s)| Some((s, metric.cells.value(i)?)));
            family.points = values.map(|(s, value)| Point { attributes: s.attributes.clone(), value }).collect();
        }
        families
    }

    /// The metrics without values.
    pub fn empty_families(&self, scope: &GadgetIdentity, start_unix_ns: u64) -> Vec<Family> {
        let family = |metric: &Metric| Family {
            name: metric.name.clone(),
            description: metric.description.clone(),
            unit: metric.unit.clone(),
            scope: scope.clone(),
            kind: metric.measure.kind(),
            start_unix_ns,
            points: Vec::new(),
        };
        self.metrics.iter().map(family).collect()
    }
}
