//! OpenMetrics 1.0.0 through prometheus-client: the metrics are a collector of a registry that lives for one scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode as encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType as CrateType;
use prometheus_client::registry::Registry;

use super::{Metric, MetricType, Sample, SampleValue, escape_help};

#[derive(Debug)]
struct Metrics(Vec<Metric>);

/// The whole exposition with its end mark.
pub fn encode(metrics: Vec<Metric>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(metrics)));
    let mut out = String::new();
    // Writing to a string cannot fail, and neither do our samples.
    if encode_registry(&mut out, &registry).is_err() {
        tracing::warn!("metrics could not be encoded");
    }
    out
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for metric in &self.0 {
            let kind = match metric.kind {
                MetricType::Counter => CrateType::Counter,
                MetricType::Gauge => CrateType::Gauge,
                MetricType::Histogram => CrateType::Histogram,
            };
            // OpenMetrics, unlike text 0.0.4, has quotes escaped in help texts too.
            let help = escape_help(&metric.help).replace('"', "\\\"");
            let mut family = encoder.encode_descriptor(&metric.name, &help, None, kind)?;
            for sample in &metric.samples {
                if sample.labels.is_empty() {
                    value(&mut family, metric.kind, sample)?;
                } else {
                    value(&mut family.encode_family(&sample.labels)?, metric.kind, sample)?;
                }
            }
        }
        Ok(())
    }
}

fn value(encoder: &mut MetricEncoder<'_>, kind: MetricType, sample: &Sample) -> fmt::Result {
    match (&sample.value, kind) {
        (SampleValue::Integer(v), MetricType::Counter) => encoder.encode_counter::<NoLabelSet, _, u64>(v, None),
        (SampleValue::Float(v), MetricType::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(v, None),
        (SampleValue::Integer(v), _) => encoder.encode_gauge(v),
        (SampleValue::Float(v), _) => encoder.encode_gauge(v),
        (SampleValue::Histogram { buckets, sum, count }, _) => encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None),
    }
}
