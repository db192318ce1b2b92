//! A real Prometheus scrapes the exporter, and promtool finds nothing to say about what it gets.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadgetry::batch::{Batch, Element, FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind};
use gadgetry::component::{Exporter, ExporterService, ExporterSource};
use gadgetry::exporter::listeners::Listeners;
use gadgetry::exporter::{ExporterContext, prometheus};
use gadgetry::telemetry::Ledger;

/// A histogram map: key {device: char[8]}, value {ops: u64, latency: u32[27]} in microseconds.
fn schema() -> Arc<Schema> {
    let gadget = GadgetIdentity { instance: "blockio".into(), name: "profile_blockio".into(), ..Default::default() };
    let notes = BTreeMap::from([("metrics.collect".to_owned(), "true".to_owned())]);
    let mut b = SchemaBuilder::new("blockio", SourceKind::Array, gadget, notes);
    let mut device = FieldSpec::new("device", Kind::Text, Source::Row { offset: 0, size: 8 });
    device.tags.push("role:key".into());
    let mut ops = FieldSpec::new("ops", Kind::Uint(8), Source::Row { offset: 8, size: 8 });
    ops.types.push("gadget_counter__u64".into());
    let element = Element { size: 4, signed: false, float: false };
    let mut latency = FieldSpec::new("latency", Kind::Array(element), Source::Row { offset: 16, size: 4 * 27 });
    latency.types.push("gadget_histogram_slot__u32".into());
    latency.annotations.insert("metrics.unit".into(), "us".into());
    for field in [device, ops, latency] {
        b.add(field).unwrap();
    }
    b.finish()
}

fn batch(schema: &Arc<Schema>) -> Batch {
    let mut record = b"sd\"a\\\0\0\0".to_vec();
    record.extend(7u64.to_ne_bytes());
    record.extend((0..27u32).flat_map(|slot| if slot == 10 { 7u32 } else { 0 }.to_ne_bytes()));
    let mut batch = Batch::new(schema.clone(), 10, 10_000);
    batch.push(&record);
    batch
}

fn start() -> (Arc<dyn ExporterService>, Box<dyn Exporter>, Arc<Schema>, String) {
    let context = ExporterContext {
        id: "prometheus".parse().unwrap(),
        runtime: tokio::runtime::Handle::current(),
        listeners: Arc::new(Listeners::default()),
        resource: Arc::new(vec![("service.name".to_owned(), "gadgetry".to_owned())]),
    };
    let service = (prometheus::KIND.build)(&serde_json::json!({"endpoint": "127.0.0.1:0"}), &context).unwrap();
    let schema = schema();
    let entry = Ledger::default().gadget("blockio").exporter("prometheus");
    let exporter = service.open(ExporterSource { schema: schema.clone(), metrics: Vec::new(), entry }).unwrap();
    let address = service.status().destination.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    (service, exporter, schema, address)
}

/// The body of the answer to a GET.
fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Whether `program` is on this machine; says so when it is not.
fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: {program} is not installed (apt-get install prometheus)");
    }
    found
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn prometheus_server(dir: &std::path::Path, target: &str) -> (Killed, String) {
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- {{job_name: gadgetry, static_configs: [{{targets: ['{target}']}}]}}\n"
    );
    std::fs::write(dir.join("p.yml"), config).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.join("p.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Killed(child), address)
}

/// The value of a query, once there is one; the first scrape comes some 5 s after the start.
fn query(address: &str, query: &str) -> Option<String> {
    let encoded: String = query.bytes().map(|b| format!("%{b:02x}")).collect();
    let end = Instant::now() + Duration::from_secs(40);
    while Instant::now() < end {
        let body = get(address, &format!("/api/v1/query?query={encoded}")).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        if let Some(value) = json["data"]["result"][0]["value"][1].as_str() {
            return Some(value.to_owned());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    None
}

/// Promtool's linter has no finding about the text format.
#[tokio::test(flavor = "multi_thread")]
async fn promtool_has_nothing_to_say() {
    if !installed("promtool") {
        return;
    }
    let (service, mut exporter, schema, address) = start();
    exporter.export(&batch(&schema)).unwrap();
    let text = tokio::task::spawn_blocking(move || get(&address, "/metrics")).await.unwrap().unwrap();
    let mut promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("ops_total{"), "{text}");
    service.stop(Duration::from_secs(1)).await;
}

/// Prometheus negotiates OpenMetrics, and what it stores answers queries with the events' numbers.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_and_answers_with_our_numbers() {
    if !installed("prometheus") {
        return;
    }
    let (service, mut exporter, schema, address) = start();
    exporter.export(&batch(&schema)).unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let dir = tempfile::tempdir().unwrap();
        let (_prometheus, server) = prometheus_server(dir.path(), &address);
        let ops = query(&server, r#"ops_total{gadget="blockio",otel_scope_name="blockio",device="sd\"a\\"}"#);
        let up = query(&server, r#"up{job="gadgetry"}"#);
        let latency = query(&server, "histogram_quantile(0.5, latency_seconds_bucket)");
        (ops, up, latency)
    });
    let (ops, up, latency) = asked.await.unwrap();
    assert_eq!((ops.as_deref(), up.as_deref()), (Some("7"), Some("1")));
    let latency: f64 = latency.unwrap().parse().unwrap();
    assert!((0.001024..=0.002048).contains(&latency), "slot 10 holds 1024 to 2047 us: {latency}");
    service.stop(Duration::from_secs(1)).await;
}
