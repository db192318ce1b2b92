//! The collector's own telemetry on its way to a third-party receiver.

use super::opens;
use crate::support::receivers::rotel::Rotel;
use crate::support::{Collector, Storm, can_trace, wait_for};

#[test]
fn the_ledger_and_the_spans_of_starts_and_reloads_reach_rotel() {
    let name = "own telemetry reaches rotel";
    if !can_trace(name) {
        return;
    }
    let Some(rotel) = Rotel::start(name) else { return };
    // Numbers that tell the two apart in what rotel prints.
    let protocols = [("grpc", &rotel.grpc, "over-grpc", 1234), ("http/protobuf", &rotel.http, "over-http", 2345)];
    for (index, (protocol, endpoint, name, count)) in protocols.into_iter().enumerate() {
        let mut storm = Storm::with_pauses(count, "/gadgetry-storm", 20);
        let exporters = "  file: {path: DIR/events.jsonl}\n";
        let service =
            format!("  telemetry:\n    endpoint: \"\"\n    otlp: {{endpoint: \"{endpoint}\", protocol: {protocol}, interval: 500ms}}\n");
        let gadgets = "    exporters: [file]\n";
        let collector = Collector::start(&opens(storm.pid, gadgets, exporters, &service));
        storm.begin();
        storm.finish();
        rotel.wait(10, &["-> Name: gadgetry.exporter.delivered", "-> exporter: Str(file)", &format!("Value: {count}\n")]);
        let another = format!("{gadgets}  - name: {name}\n    image: trace_exec\n    exporters: [file]\n");
        collector.rewrite(&opens(storm.pid, &another, exporters, &service));
        collector.wait_log(10, "configuration applied");
        let (code, log) = collector.stop();
        assert_eq!(code, 0, "{log}");
        let gadget = format!("-> gadget: Str({name})");
        rotel.wait(10, &["Name           : load gadget", &gadget]);
        let reloads = || rotel.text().matches("Name           : reload\n").count();
        wait_for(10, "the span of the reload", || (reloads() > index).then_some(()));
        assert!(!log.contains("own telemetry"), "{log}");
    }
}
