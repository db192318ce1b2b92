//! What the Prometheus exporter promises: settings, names, the endpoint.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::exposition::{Format, encode};
use super::*;
use crate::batch::{FieldSpec, GadgetIdentity, Kind, Schema, SchemaBuilder, Source, SourceKind};
use crate::component::ComponentId;
use crate::exporter::listeners::Listeners;
use crate::telemetry::Ledger;

fn schema(gadget: &str, notes: &[(&str, &str)]) -> Arc<Schema> {
    let gadget = GadgetIdentity { instance: gadget.to_owned(), name: "trace_open".to_owned(), ..Default::default() };
    let mut b = SchemaBuilder::new("open", SourceKind::Single, gadget, BTreeMap::new());
    b.add(FieldSpec::new("proc.comm", Kind::Text, Source::Row { offset: 8, size: 8 })).unwrap();
    let mut took = FieldSpec::new("tookTime", Kind::Uint(8), Source::Row { offset: 0, size: 8 });
    took.annotations = notes.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    took.types = if notes.is_empty() { Vec::new() } else { vec!["gadget_counter__u64".to_owned()] };
    b.add(took).unwrap();
    b.finish()
}

fn batch(schema: &Arc<Schema>) -> Batch {
    let mut batch = Batch::new(schema.clone(), 10, 1000);
    batch.push(b"\x03\0\0\0\0\0\0\0cat\0\0\0\0\0");
    batch.push(b"\x04\0\0\0\0\0\0\0dd\0\0\0\0\0\0");
    batch.selection_mut().remove(1);
    batch
}

fn context() -> ExporterContext {
    ExporterContext {
        id: "prometheus".parse::<ComponentId>().unwrap(),
        runtime: tokio::runtime::Handle::current(),
        listeners: Arc::new(Listeners::default()),
        resource: Arc::new(vec![("service.name".to_owned(), "gadgetry".to_owned())]),
    }
}

fn source(schema: &Arc<Schema>, ledger: &Ledger, metrics: Vec<MetricSpec>) -> ExporterSource {
    let entry = ledger.gadget(&schema.gadget().instance).exporter("prometheus");
    ExporterSource { schema: schema.clone(), metrics, entry }
}

/// The answer to one request, head and body.
fn get(address: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn scrape(service: &dyn ExporterService, accept: &'static str) -> String {
    let url = service.status().destination;
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    tokio::task::spawn_blocking(move || get(&address, accept)).await.unwrap()
}

#[test]
fn settings_that_cannot_be_honoured_are_refused_with_their_place() {
    let settings = json!({"endpoint": ":9464", "send_timestamps": true, "resource_to_telemetry_conversion": {"enabled": true},
        "const_labels": {"le": "x", "zone": "a"}, "limit": 0});
    let paths: Vec<String> = Config::check(&settings).into_iter().map(|p| p.path).collect();
    assert_eq!(paths, ["endpoint", "send_timestamps", "resource_to_telemetry_conversion.enabled", "limit", "const_labels.le"]);
    assert!(Config::check(&json!({"endpoint": "127.0.0.1:9464", "metric_expiration": "1h30m"})).is_empty());
    assert!(!Config::check(&json!({"endpoint": "127.0.0.1:9464", "metric_expiration": "soon"})).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracer_without_metrics_has_its_events_counted_and_delivered() {
    let service = build(&json!({"endpoint": "127.0.0.1:0"}), &context()).unwrap();
    let (schema, ledger) = (schema("opens", &[]), Ledger::default());
    let mut exporter = service.open(source(&schema, &ledger, Vec::new())).unwrap();
    exporter.export(&batch(&schema)).unwrap();
    let text = scrape(&*service, "text/plain").await;
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{text}");
    assert!(text.contains("trace_open_events_total{gadget=\"opens\",otel_scope_name=\"open\"} 1\n"), "{text}");
    assert!(text.contains("target_info{service_name=\"gadgetry\"} 1\n"), "{text}");
    let open = scrape(&*service, "application/openmetrics-text;version=1.0.0").await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{open}");
    assert!(open.contains("# TYPE trace_open_events counter\n") && open.contains("# EOF\n"), "{open}");
    assert_eq!(ledger.totals()[0].exporters[0].delivered, 1);
    drop(exporter);
    assert!(!scrape(&*service, "text/plain").await.contains("trace_open_events"), "a closed gadget is gone");
}

/// `us` becomes seconds, camelCase snake_case; one HELP and TYPE for two gadgets; const labels and the namespace are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gadgets_share_a_family_in_base_units() {
    let settings = json!({"endpoint": "127.0.0.1:0", "namespace": "lab", "const_labels": {"zone": "a"}});
    let service = build(&settings, &context()).unwrap();
    let ledger = Ledger::default();
    let mut open = Vec::new();
    for gadget in ["a", "b"] {
        let schema = schema(gadget, &[("metrics.unit", "us")]);
        let spec = MetricSpec {
            attributes: vec!["proc.comm".to_owned()],
            name: "opens.byComm".to_owned(),
            ..event_counter(&source(&schema, &ledger, Vec::new()))
        };
        let mut exporter = service.open(source(&schema, &ledger, vec![spec])).unwrap();
        exporter.export(&batch(&schema)).unwrap();
        open.push(exporter);
    }
    let text = scrape(&*service, "text/plain").await;
    assert_eq!(text.matches("# TYPE lab_took_time_seconds_total counter\n").count(), 1, "{text}");
    assert!(text.contains("lab_took_time_seconds_total{gadget=\"b\",otel_scope_name=\"open\",zone=\"a\"} 0.000003\n"), "{text}");
    assert!(text.contains("lab_opens_by_comm_total{gadget=\"a\",otel_scope_name=\"open\",zone=\"a\",proc_comm=\"cat\"} 1\n"), "{text}");
}

#[tokio::test]
async fn one_name_for_different_types_is_refused() {
    let service = build(&json!({"endpoint": "127.0.0.1:0"}), &context()).unwrap();
    let ledger = Ledger::default();
    let (first, second) = (schema("a", &[]), schema("b", &[]));
    let counter = event_counter(&source(&first, &ledger, Vec::new()));
    let gauge = MetricSpec { kind: MetricKind::Gauge, field: Some("tookTime".to_owned()), ..counter.clone() };
    let _open = service.open(source(&first, &ledger, vec![counter])).unwrap();
    let error = service.open(source(&second, &ledger, vec![gauge])).err().unwrap();
    assert_eq!(
        error.to_string(),
        "metric \"trace_open_events\" is a gauge here and a counter in gadget \"a\": one of them needs another name"
    );
}

/// A reload opens the gadget's new set before it drops the old one.
#[tokio::test]
async fn of_one_gadget_the_set_opened_last_is_seen() {
    let registry = Registry::new(Config::read(&json!({"endpoint": "127.0.0.1:0"})).unwrap(), Arc::default());
    let (schema, ledger) = (schema("opens", &[("metrics.unit", "By")]), Ledger::default());
    let set = || SeriesSet::bind(&source(&schema, &ledger, Vec::new()), 10).unwrap().unwrap();
    let old = registry.open("opens", "open", set()).unwrap();
    old.lock().unwrap().absorb(&batch(&schema));
    old.lock().unwrap().absorb(&batch(&schema));
    let new = registry.open("opens", "open", set()).unwrap();
    new.lock().unwrap().absorb(&batch(&schema));
    let text = encode(registry.gather(), Format::Text);
    assert!(text.contains("took_time_bytes_total{gadget=\"opens\",otel_scope_name=\"open\"} 3\n"), "{text}");
    assert_eq!(text.matches("took_time_bytes_total{").count(), 1);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = taken.local_addr().unwrap().to_string();
    let error = build(&json!({"endpoint": endpoint}), &context()).err().unwrap();
    assert_eq!(error.to_string(), format!("listen on {endpoint}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_frees_the_port_even_with_a_connection_kept_open() {
    let service = build(&json!({"endpoint": "127.0.0.1:0"}), &context()).unwrap();
    let url = service.status().destination;
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    let mut kept = TcpStream::connect(&address).unwrap();
    kept.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0];
    kept.read_exact(&mut first).unwrap();
    service.stop(Duration::from_secs(2)).await;
    assert!(TcpStream::connect(&address).is_err(), "nobody listens any more");
}

/// A reload builds the new exporter on the port of the old one before it stops that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_takes_the_port_over() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let context = context();
    let old = build(&json!({"endpoint": free}), &context).unwrap();
    let new = build(&json!({"endpoint": free, "namespace": "lab"}), &context).unwrap();
    old.stop(Duration::from_secs(2)).await;
    drop(old);
    let (schema, ledger) = (schema("opens", &[]), Ledger::default());
    let mut exporter = new.open(source(&schema, &ledger, Vec::new())).unwrap();
    exporter.export(&batch(&schema)).unwrap();
    for _ in 0..5 {
        assert!(scrape(&*new, "text/plain").await.contains("lab_trace_open_events_total"));
    }
}
