//! The ledger closes to the event, whatever happens meanwhile.

use crate::support::{Collector, Storm, can_trace, ledger};

#[test]
fn every_open_of_a_storm_is_delivered_or_counted_as_lost() {
    const OPENS: u64 = 200_000;
    if !can_trace("storm ledger") {
        return;
    }
    let mut storm = Storm::ready(OPENS, "/gadgetry-storm");
    let collector = Collector::start(&format!(
        "version: v1\ngadgets:\n  - name: opens\n    image: trace_open\n    params: {{pid: {}}}\n    operators:\n      - filter: 'fname == \"/gadgetry-storm\"'\n    exporters: [file]\nexporters:\n  file: {{path: DIR/events.jsonl}}\n",
        storm.pid
    ));
    storm.begin();
    let took = storm.finish();
    let path = collector.path("events.jsonl");
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("events.jsonl");
    std::fs::hard_link(&path, &kept).or_else(|_| std::fs::copy(&path, &kept).map(drop)).unwrap();
    let (code, log) = collector.stop();
    assert_eq!(code, 0, "{log}");
    let rows = ledger(&log);
    let row = rows.iter().find(|r| r.gadget == "opens").unwrap();
    println!("storm: {:.2} us per traced open, {row:?}", took.as_secs_f64() * 1e6 / OPENS as f64);
    assert_eq!(row.produced, OPENS, "{log}");
    assert_eq!(row.produced - row.lost - row.filtered, row.delivered + row.exporter_dropped + row.in_flight);
    assert_eq!((row.dropped, row.exporter_dropped, row.in_flight), (0, 0, 0));
    let lines = std::fs::read_to_string(&kept).unwrap().lines().count() as u64;
    assert_eq!(lines, row.delivered, "lines in the file");
}
