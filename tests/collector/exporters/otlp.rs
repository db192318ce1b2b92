//! What arrives over OTLP: understood by a third-party collector, exact in every field, whatever the receiver answers.

use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::{opens, write_through};
use crate::support::receivers::otlp::{Answer, Otlp, Protocol, Received};
use crate::support::receivers::rotel::Rotel;
use crate::support::{Collector, Storm, can_trace, ledger, wait_for};

/// No page of its own, whose default port may be taken.
const SERVICE: &str = "  telemetry: {endpoint: \"\"}\n  shutdown_timeout: 5s\n";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// The number behind `name: ` in a printed block.
fn printed(block: &str, name: &str) -> u64 {
    let line = block.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {block}"));
    line.trim_start_matches(": ").trim().parse().unwrap()
}

#[test]
fn rotel_understands_logs_and_metrics_over_both_protocols() {
    let name = "rotel receives logs and metrics";
    if !can_trace(name) {
        return;
    }
    let Some(rotel) = Rotel::start(name) else { return };
    for (exporter, endpoint) in [("otlp_grpc", &rotel.grpc), ("otlp_http", &rotel.http)] {
        let collector = Collector::start(&format!(
            "version: v1\ngadgets:\n  - name: execs\n    image: trace_exec\n    exporters: [{exporter}/x]\n  - name: blocks-{exporter}\n    image: profile_blockio\n    exporters: [{exporter}/x]\nexporters:\n  {exporter}/x: {{endpoint: \"{endpoint}\", compression: gzip, metrics_interval: 300ms}}\nservice:\n{SERVICE}"
        ));
        let before = now();
        let argument = format!("over {exporter}");
        assert!(Command::new("/bin/echo").arg(&argument).output().unwrap().status.success());
        let body = format!("Body: Str(/bin/echo {argument})");
        let instance = "gadgetry.gadget.instance: Str(execs)";
        let parent = format!("-> proc.parent.pid: Int({})", std::process::id());
        let words = [&body, instance, "EventName: trace_exec", "SEVERITY_NUMBER_INFO(9)", "-> proc.comm: Str(echo)", &parent];
        let words: Vec<&str> = words.into_iter().chain(["-> service.name: Str(gadgetry)", "-> from_rootfs: Bool(true)"]).collect();
        let block = rotel.wait(10, &words);
        let records: Vec<&str> = block.split("LogRecord #").filter(|record| record.contains(&body)).collect();
        assert_eq!(records.len(), 1, "{block}");
        let (time, observed) = (printed(records[0], "Timestamp"), printed(records[0], "ObservedTimestamp"));
        assert!(before - 5_000_000 <= time && time <= observed && observed <= now(), "{before} {time} {observed} {}", now());
        write_through(10);
        let instance = format!("Str(blocks-{exporter})");
        let words = [&*instance, "-> Name: blockio.latency", "-> DataType: Histogram", "-> Unit: us", "_CUMULATIVE"];
        wait_for(10, "ten block requests in what rotel prints", || {
            let text = rotel.text();
            let blocks = text.split("ResourceMetrics #").filter(|block| words.iter().all(|word| block.contains(word)));
            blocks.flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("Count: ")?.parse::<u64>().ok()).find(|n| *n >= 10)
        });
        let (code, log) = collector.stop();
        assert_eq!(code, 0, "{log}");
        assert!(ledger(&log).iter().all(|row| row.exporter_dropped == 0 && row.in_flight == 0), "{log}");
    }
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let found: Vec<_> = attributes.iter().filter(|a| a.key == key).collect();
    assert!(found.len() <= 1, "{key} stands there {} times", found.len());
    found.first().and_then(|a| a.value.as_ref()?.value.as_ref())
}

fn text(value: &str) -> Option<Value> {
    Some(Value::StringValue(value.to_owned()))
}

#[test]
fn a_record_has_the_kernels_time_typed_attributes_scope_and_resource() {
    if !can_trace("OTLP fields") {
        return;
    }
    for protocol in Protocol::BOTH {
        let received = Arc::new(Received::default());
        let receiver = Otlp::start(protocol, 0, &received);
        let mut storm = Storm::ready(1, "/nonexistent/gadgetry");
        let exporter = protocol.exporter();
        let exporters = format!("  {exporter}: {{endpoint: \"{}\", headers: {{x-tenant: ours}}}}\n", receiver.url);
        let gadget = format!("    exporters: [{exporter}]\n");
        let collector = Collector::start(&opens(storm.pid, &gadget, &exporters, SERVICE));
        let before = now();
        storm.begin();
        storm.finish();
        let after = now();
        let records = wait_for(10, "the record", || Some(received.records()).filter(|r| !r.is_empty()));
        let (resource, scope, record) = &records[0];
        // The clocks' difference is known to some microseconds.
        assert!(before - 1_000_000 <= record.time_unix_nano && record.time_unix_nano <= after + 1_000_000, "{before} {record:?} {after}");
        assert!(record.observed_time_unix_nano >= record.time_unix_nano && record.observed_time_unix_nano <= now(), "{record:?}");
        assert_eq!((record.event_name.as_str(), record.severity_number, record.severity_text.as_str()), ("trace_open", 9, "INFO"));
        let attributes = &record.attributes;
        assert_eq!(attribute(attributes, "proc.pid"), Some(&Value::IntValue(i64::from(storm.pid))));
        assert_eq!(attribute(attributes, "proc.parent.pid"), Some(&Value::IntValue(i64::from(std::process::id()))));
        assert_eq!(record.body.clone().and_then(|b| b.value), text("/nonexistent/gadgetry"));
        assert_eq!(attribute(attributes, "error").cloned(), text("ENOENT"));
        assert_eq!(attribute(attributes, "proc.creds.user").cloned(), text("root"));
        assert_eq!(attribute(attributes, "timestamp"), None, "the time is not an attribute too");
        assert_eq!(attribute(&resource.attributes, "service.name").cloned(), text("gadgetry"));
        assert!(attribute(&resource.attributes, "host.name").is_some(), "{resource:?}");
        assert_eq!(attribute(&scope.attributes, "gadgetry.gadget.instance").cloned(), text("opens"));
        assert!(!scope.name.is_empty() && !scope.version.is_empty(), "{scope:?}");
        let headers = received.headers.lock().unwrap().clone();
        assert_eq!(headers["x-tenant"], "ours");
        let encoding = if protocol == Protocol::Grpc { "grpc-encoding" } else { "content-encoding" };
        assert_eq!(headers[encoding], "gzip", "{headers:?}");
        let (code, log) = collector.stop();
        assert_eq!((code, ledger(&log)[0].delivered), (0, 1), "{log}");
    }
}

/// A partial success and a refusal count what they say as rejected and are not sent again; "later" is, and loses nothing.
#[test]
fn what_a_receiver_refuses_is_counted_as_rejected_and_what_it_puts_off_arrives() {
    const OPENS: u64 = 5000;
    if !can_trace("OTLP refusals") {
        return;
    }
    for protocol in Protocol::BOTH {
        let received = Arc::new(Received::default());
        let answers = [Answer::Later, Answer::Partial(7), Answer::Refuse, Answer::Later, Answer::Partial(4)];
        received.answers.lock().unwrap().extend(answers);
        let receiver = Otlp::start(protocol, 0, &received);
        let mut storm = Storm::ready(OPENS, "/gadgetry-storm");
        let exporter = protocol.exporter();
        let exporters = format!(
            "  {exporter}:\n    endpoint: \"{}\"\n    sending_queue: {{num_consumers: 1, batch: {{max_size: 100, min_size: 100}}}}\n    retry_on_failure: {{initial_interval: 50ms}}\n",
            receiver.url
        );
        let gadget = format!("    exporters: [{exporter}]\n");
        let collector = Collector::start(&opens(storm.pid, &gadget, &exporters, SERVICE));
        storm.begin();
        storm.finish();
        let (code, log) = collector.stop();
        assert_eq!(code, 0, "{log}");
        let row = &ledger(&log)[0];
        let refused = *received.refused.lock().unwrap();
        assert!((1..=100).contains(&refused), "{refused}");
        assert_eq!((row.produced, row.lost, row.exporter_dropped, row.in_flight), (OPENS, 0, refused + 11, 0), "{log}");
        assert_eq!(row.delivered, OPENS - refused - 11, "{log}");
        assert!(log.contains(&format!("(rejected {})", refused + 11)), "{log}");
        assert!(log.contains("as told"), "the receiver's words:\n{log}");
        let (times, count) = received.times();
        assert_eq!((times.len() as u64, count), (OPENS - refused, OPENS - refused), "nothing is sent again that was answered");
    }
}
