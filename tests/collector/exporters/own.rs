//! The collector's own telemetry on its way to a third-party receiver.

use super::opens;
use crate::support::receivers::rotel::Rotel;
use crate::support::{Collector, Storm, can_trace};

#[test]
fn the_ledger_and_the_spans_of_starts_and_reloads_reach_rotel() {
    const OPENS: u64 = 1234;
    let name = "own telemetry reaches rotel";
    if !can_trace(name) {
        return;
    }
    let Some(rotel) = Rotel::start(name) else { return };
    for (protocol, endpoint, name) in [("grpc", &rotel.grpc, "over-grpc"), ("http/protobuf", &rotel.http, "over-http")] {
        let mut storm = Storm::ready(OPENS, "/gadgetry-storm");
        let exporters = "  file: {path: DIR/events.jsonl}\n";
        let service =
            format!("  telemetry:\n    endpoint: \"\"\n    otlp: {{endpoint: \"{endpoint}\", protocol: {protocol}, interval: 500ms}}\n");
        let gadgets = "    exporters: [file]\n";
        let collector = Collector::start(&opens(storm.pid, gadgets, exporters, &service));
        storm.begin();
        storm.finish();
        rotel.wait(10, &["-> Name: gadgetry.exporter.delivered", "-> exporter: Str(file)", &format!("Value: {OPENS}\n")]);
        let another = format!("{gadgets}  - name: {name}\n    image: trace_exec\n    exporters: [file]\n");
        collector.rewrite(&opens(storm.pid, &another, exporters, &service));
        collector.wait_log(10, "configuration applied");
        let (code, log) = collector.stop();
        assert_eq!(code, 0, "{log}");
        let gadget = format!("-> gadget: Str({name})");
        rotel.wait(10, &["Name           : load gadget", &gadget]);
        rotel.wait(10, &["Name           : reload"]);
        assert!(!log.contains("own telemetry"), "{log}");
    }
}
