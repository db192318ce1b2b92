//! The debug exporter writes to the terminal, or to whatever stands for it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{Collector, can_trace, ledger, wait_for};

#[test]
fn debug_prints_events_and_outlives_the_reader_of_its_pipe() {
    if !can_trace("debug exporter") {
        return;
    }
    let config = "version: v1\ngadgets:\n  - {name: opens, image: trace_open, exporters: [debug, file]}\nexporters:\n  debug: {verbosity: normal, format: json}\n  file: {path: DIR/events.jsonl}\nservice:\n  telemetry: {endpoint: \"\"}\n";
    let mut collector = Collector::spawn_to(config, &[], Stdio::piped());
    let output = collector.output();
    let (lines, read) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Ends, and closes the pipe, with the line that it was told to wait for.
            let last = line.contains("/last-to-print");
            if lines.send(line).is_err() || last {
                return;
            }
        }
    });
    collector.wait_log(20, "gadgetry is collecting");
    let last = collector.path("last-to-print");
    assert!(File::open(&last).is_err());
    let line = std::iter::from_fn(|| read.recv_timeout(Duration::from_secs(5)).ok()).find(|l| l.contains("/last-to-print")).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((event["fname"].as_str(), event["error"].as_str()), (last.to_str(), Some("ENOENT")));
    reader.join().unwrap();
    let after = collector.path("after the pipe");
    assert!(File::open(&after).is_err());
    wait_for(5, "the event in the other exporter", || {
        collector.events("events.jsonl").into_iter().find(|e| e["fname"] == after.to_str().unwrap())
    });
    let (code, log) = collector.stop();
    assert_eq!(code, 0, "{log}");
    let rows = ledger(&log);
    let row = rows.iter().find(|r| r.exporter == "debug").unwrap();
    assert!(row.delivered > 0 && row.exporter_dropped > 0 && row.in_flight == 0, "{log}");
    assert_eq!(row.delivered + row.exporter_dropped, row.produced - row.lost, "{log}");
    assert!(log.contains("write_failed"), "{log}");
}
