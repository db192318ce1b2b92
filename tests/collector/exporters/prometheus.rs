//! A real Prometheus scrapes the collector; VictoriaMetrics gets the same numbers pushed.

use super::{opens, write_through};
use crate::support::receivers::otlp::{Otlp, Protocol, Received};
use crate::support::receivers::prometheus::{Prometheus, lint};
use crate::support::receivers::victoria::Victoria;
use crate::support::{Collector, Storm, can_trace, free_port, get, wait_for};

const OPENS: u64 = 1000;
const COUNTER: &str = "    metrics:\n      - {name: file.opens, type: counter, unit: \"{file}\", description: Files opened, attributes: [proc.comm, fname]}\n";
const BLOCKIO: &str = "  - name: blockio\n    image: profile_blockio\n    params: {per-disk: true}\n";

#[test]
fn prometheus_scrapes_exact_numbers_in_both_formats_and_promtool_has_nothing_to_say() {
    let name = "prometheus scrapes gadgets";
    if !can_trace(name) {
        return;
    }
    let [open_metrics, text, own] = [(); 3].map(|()| free_port());
    let targets = [("openmetrics", open_metrics), ("text", text), ("own", own)].map(|(job, port)| (job, format!("127.0.0.1:{port}")));
    let Some(prometheus) = Prometheus::start(name, &targets) else { return };
    let mut storm = Storm::ready(OPENS, "/gadgetry \"storm\"\\");
    let both = "    exporters: [prometheus, prometheus/text]\n";
    let gadgets = format!("{COUNTER}{both}{BLOCKIO}{both}");
    let exporters = format!(
        "  prometheus: {{endpoint: \"127.0.0.1:{open_metrics}\"}}\n  prometheus/text: {{endpoint: \"127.0.0.1:{text}\", enable_open_metrics: false}}\n"
    );
    let service = format!("  telemetry: {{endpoint: \"127.0.0.1:{own}\"}}\n");
    let collector = Collector::start(&opens(storm.pid, &gadgets, &exporters, &service));
    storm.begin();
    storm.finish();
    write_through(20);
    for port in [open_metrics, text, own] {
        let page = wait_for(5, "the storm on the page", || {
            let (_, page) = get(&format!("127.0.0.1:{port}"), "/metrics", "text/plain").ok()?;
            page.lines().any(|line| line.contains("opens") && line.ends_with(" 1000")).then_some(page)
        });
        assert_eq!(lint(&page), "", "{page}");
    }
    for job in ["openmetrics", "text"] {
        let series = format!("file_opens_total{{job=\"{job}\",gadget=\"opens\",fname=\"/gadgetry \\\"storm\\\"\\\\\"}}");
        // A scrape may have come before the storm.
        wait_for(10, "a scrape of the whole storm", || (prometheus.number(&series) == OPENS as f64).then_some(()));
        let blocks = prometheus.number(&format!("sum(blockio_latency_seconds_count{{job=\"{job}\"}})"));
        assert!(blocks >= 20.0, "{blocks} block requests");
        let median = prometheus.number(&format!("histogram_quantile(0.5, sum by (le) (blockio_latency_seconds_bucket{{job=\"{job}\"}}))"));
        assert!(median > 0.0 && median < 10.0, "a median latency of {median} s");
        assert_eq!(prometheus.number(&format!("up{{job=\"{job}\"}}")), 1.0);
    }
    let received = r#"gadgetry_gadget_received_total{job="own",gadget="opens"}"#;
    assert_eq!(prometheus.number(received), OPENS as f64);
    // Only OpenMetrics names a counter without its suffix, so this is what each target was asked in.
    let known = |job: &str, metric: &str| prometheus.metadata(job).iter().any(|m| m["metric"] == metric && m["type"] == "counter");
    assert!(known("openmetrics", "file_opens"), "{:?}", prometheus.metadata("openmetrics"));
    assert!(known("text", "file_opens_total"), "{:?}", prometheus.metadata("text"));
    assert!(known("own", "gadgetry_gadget_received"), "{:?}", prometheus.metadata("own"));
    assert_eq!(collector.stop().0, 0);
}

#[test]
fn victoria_metrics_takes_counters_and_histograms_over_otlp() {
    let name = "VictoriaMetrics takes metrics";
    if !can_trace(name) {
        return;
    }
    let Some(victoria) = Victoria::start(name) else { return };
    let received = std::sync::Arc::new(Received::default());
    let logs = Otlp::start(Protocol::Http, 0, &received);
    let mut storm = Storm::ready(OPENS, "/gadgetry-storm");
    let to = "    exporters: [otlp_http]\n";
    let exporters =
        format!("  otlp_http: {{endpoint: \"{}\", metrics_endpoint: \"{}\", metrics_interval: 300ms}}\n", logs.url, victoria.endpoint());
    let collector =
        Collector::start(&opens(storm.pid, &format!("{COUNTER}{to}{BLOCKIO}{to}"), &exporters, "  telemetry: {endpoint: \"\"}\n"));
    storm.begin();
    storm.finish();
    write_through(20);
    let opens = r#"{__name__="file.opens",fname="/gadgetry-storm"}"#;
    wait_for(15, "the whole storm", || (victoria.number(opens) == OPENS as f64).then_some(()));
    wait_for(10, "the block requests", || (victoria.number(r#"sum({__name__="blockio.latency_count"})"#) >= 20.0).then_some(()));
    let median = victoria.number(r#"histogram_quantile(0.5, sum by (le) ({__name__="blockio.latency_bucket"}))"#);
    assert!(median > 1.0 && median < 1e7, "a median latency of {median} us");
    assert_eq!(collector.stop().0, 0);
    assert_eq!(received.times().1, OPENS, "the events are logs all the same");
}
