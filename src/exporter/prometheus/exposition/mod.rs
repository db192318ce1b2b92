//! Metrics as Prometheus has them, and their two text formats. Shared with the collector's own metrics endpoint.

mod negotiate;
mod open_metrics;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

pub use negotiate::Format;

/// What kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// A sum that only grows; `_total` is added to the name of its samples.
    Counter,
    /// A value of the moment.
    Gauge,
    /// A distribution.
    Histogram,
}

impl MetricType {
    fn as_str(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
        }
    }
}

/// A metric with all its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Valid as a Prometheus name, a counter's without `_total`.
    pub name: String,
    /// Not empty: the linter wants a text.
    pub help: String,
    /// What the samples are.
    pub kind: MetricType,
    /// One per label set.
    pub samples: Vec<Sample>,
}

/// Label names, valid and unique, with their values.
pub type Labels = Vec<(String, String)>;

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: SampleValue,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// Of counters and gauges.
    Integer(u64),
    /// Of counters and gauges.
    Float(f64),
    /// Of histograms.
    Histogram {
        /// Upper bound and observations of each bucket alone; the last bound is infinite.
        buckets: Vec<(f64, u64)>,
        /// Sum of all observations.
        sum: f64,
        /// Number of observations.
        count: u64,
    },
}

impl Metric {
    /// A metric without series.
    pub fn new(name: impl Into<String>, help: impl Into<String>, kind: MetricType) -> Self {
        Metric { name: name.into(), help: help.into(), kind, samples: Vec::new() }
    }

    /// Adds a series.
    pub fn add(&mut self, labels: &[(&str, &str)], value: SampleValue) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.push(Sample { labels, value });
    }

    /// Adds a series with a whole number.
    pub fn integer(&mut self, labels: &[(&str, &str)], value: u64) {
        self.add(labels, SampleValue::Integer(value));
    }
}

/// Joins metrics of one name, so that each name comes once. The first one's help and type count; of another type under the same
/// name nothing is kept, and the names of those are returned.
pub fn merge(metrics: impl IntoIterator<Item = Metric>) -> (Vec<Metric>, Vec<String>) {
    let mut merged: BTreeMap<String, Metric> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for metric in metrics {
        match merged.get_mut(&metric.name) {
            Some(there) if there.kind == metric.kind => there.samples.extend(metric.samples),
            Some(_) => conflicts.push(metric.name),
            None => drop(merged.insert(metric.name.clone(), metric)),
        }
    }
    (merged.into_values().collect(), conflicts)
}

/// The body of an answer to a scrape.
pub fn encode(metrics: Vec<Metric>, format: Format) -> String {
    match format {
        Format::Text => text::encode(&metrics),
        Format::OpenMetrics => open_metrics::encode(metrics),
    }
}

/// Escapes a help text: both formats forbid raw newlines and backslashes.
fn escape_help(help: &str) -> String {
    help.replace('\\', "\\\\").replace('\n', "\\n")
}
