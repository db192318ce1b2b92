//! What the two formats look like.

use super::*;

fn metrics() -> Vec<Metric> {
    let mut opens = Metric::new("file_opens", "Files \"opened\"\nby a \\ process", MetricType::Counter);
    opens.integer(&[("comm", "a\"b\\c\nd")], 3);
    let mut depth = Metric::new("depth", "Depth", MetricType::Gauge);
    depth.add(&[], SampleValue::Float(-1.5));
    let mut latency = Metric::new("latency_seconds", "Latency", MetricType::Histogram);
    let buckets = vec![(2.0, 1), (0.5e7, 2), (f64::INFINITY, 3)];
    latency.add(&[("dev", "sda")], SampleValue::Histogram { buckets, sum: 12.25, count: 6 });
    vec![opens, depth, latency]
}

#[test]
fn text_is_as_prometheus_documents_it() {
    let expected = "\
# HELP file_opens_total Files \"opened\"\\nby a \\\\ process
# TYPE file_opens_total counter
file_opens_total{comm=\"a\\\"b\\\\c\\nd\"} 3
# HELP depth Depth
# TYPE depth gauge
depth -1.5
# HELP latency_seconds Latency
# TYPE latency_seconds histogram
latency_seconds_bucket{dev=\"sda\",le=\"2.0\"} 1
latency_seconds_bucket{dev=\"sda\",le=\"5000000.0\"} 3
latency_seconds_bucket{dev=\"sda\",le=\"+Inf\"} 6
latency_seconds_sum{dev=\"sda\"} 12.25
latency_seconds_count{dev=\"sda\"} 6
";
    assert_eq!(encode(metrics(), Format::Text), expected);
}

#[test]
fn open_metrics_names_families_without_total_and_ends_with_a_mark() {
    let expected = "\
# HELP file_opens Files \\\"opened\\\"\\nby a \\\\ process
# TYPE file_opens counter
file_opens_total{comm=\"a\\\"b\\\\c\\nd\"} 3
# HELP depth Depth
# TYPE depth gauge
depth -1.5
# HELP latency_seconds Latency
# TYPE latency_seconds histogram
latency_seconds_sum{dev=\"sda\"} 12.25
latency_seconds_count{dev=\"sda\"} 6
latency_seconds_bucket{le=\"2.0\",dev=\"sda\"} 1
latency_seconds_bucket{le=\"5000000.0\",dev=\"sda\"} 3
latency_seconds_bucket{le=\"+Inf\",dev=\"sda\"} 6
# EOF
";
    assert_eq!(encode(metrics(), Format::OpenMetrics), expected);
}

/// The headers are those of Prometheus 2.42 and 2.53, of 3.5, of curl and of a browser.
#[test]
fn scrapers_get_the_format_they_prefer() {
    let two = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let three = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    assert_eq!(Format::negotiate(Some(two), true), Format::OpenMetrics);
    assert_eq!(Format::negotiate(Some(three), true), Format::OpenMetrics);
    assert_eq!(Format::negotiate(Some(two), false), Format::Text);
    assert_eq!(Format::negotiate(Some("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.1"), true), Format::Text);
    assert_eq!(Format::negotiate(Some("*/*"), true), Format::Text);
    assert_eq!(Format::negotiate(Some("text/html,application/xml;q=0.9,*/*;q=0.8"), true), Format::Text);
    assert_eq!(Format::negotiate(Some("application/openmetrics-text;q=nonsense,;;=,"), true), Format::Text);
    assert_eq!(Format::negotiate(None, true), Format::Text);
}

#[test]
fn merged_metrics_have_each_name_once_and_conflicts_are_told() {
    let mut again = Metric::new("depth", "Other text", MetricType::Gauge);
    again.integer(&[("gadget", "b")], 2);
    let clash = Metric::new("file_opens", "Not a counter", MetricType::Gauge);
    let (merged, conflicts) = merge(metrics().into_iter().chain([again, clash]));
    assert_eq!(
        merged.iter().map(|m| (m.name.as_str(), m.samples.len())).collect::<Vec<_>>(),
        [("depth", 2), ("file_opens", 1), ("latency_seconds", 1)]
    );
    assert_eq!(conflicts, ["file_opens"]);
}
