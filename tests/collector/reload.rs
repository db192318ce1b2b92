//! A reload is a transaction: what did not change loses nothing, a bad file changes nothing.

use crate::support::{Collector, Storm, can_trace, free_port, get, ledger, wait_for};

fn config(pid: u32, more_gadgets: &str, port: u16) -> String {
    format!(
        "version: v1\ngadgets:\n  - name: opens\n    image: trace_open\n    params: {{pid: {pid}}}\n    exporters: [file]\n{more_gadgets}exporters:\n  file: {{path: DIR/events.jsonl}}\n  file/other: {{path: DIR/other.jsonl}}\nservice:\n  telemetry: {{endpoint: \"127.0.0.1:{port}\"}}\n"
    )
}

#[test]
fn a_storm_goes_through_good_and_bad_reloads_without_a_missing_event() {
    const OPENS: u64 = 300_000;
    if !can_trace("reload during a storm") {
        return;
    }
    let mut storm = Storm::ready(OPENS, "/gadgetry-storm");
    let (pid, port) = (storm.pid, free_port());
    let execs = "  - name: execs\n    image: trace_exec\n    exporters: [file/other]\n";
    let failing = "  - name: execs\n    image: trace_exec\n    params: {ignore-failed: false}\n    exporters: [file/other]\n";
    let collector = Collector::start(&config(pid, "", port));
    storm.begin();
    collector.rewrite(&config(pid, execs, port));
    collector.wait_log(20, "configuration applied");
    collector.rewrite("version: v1\ngadgets:\n  - {name: opens, image: trace_open, exporter: [file]}\n");
    collector.wait_log(20, "configuration refused, nothing changed");
    collector.rewrite(&config(pid, failing, port));
    wait_for(20, "the changed gadget", || (collector.log().matches("configuration applied").count() == 2).then_some(()));
    collector.rewrite(&config(pid, "", port));
    wait_for(20, "the third reload", || (collector.log().matches("configuration applied").count() == 3).then_some(()));
    storm.finish();
    let (_, page) = get(&format!("127.0.0.1:{port}"), "/metrics", "text/plain").unwrap();
    assert!(page.contains("gadgetry_gadget_received_total"), "{page}");
    let (code, log) = collector.stop();
    assert_eq!(code, 0, "{log}");
    let rows = ledger(&log);
    let opens = rows.iter().find(|r| r.gadget == "opens").unwrap();
    assert_eq!(opens.produced, OPENS, "{log}");
    assert_eq!(opens.delivered + opens.lost, OPENS, "{log}");
    assert_eq!((opens.exporter_dropped, opens.in_flight), (0, 0), "{log}");
}

#[test]
fn a_gadget_that_is_replaced_reports_each_event_once() {
    const OPENS: u64 = 20_000;
    if !can_trace("replacing a gadget") {
        return;
    }
    let mut storm = Storm::with_pauses(OPENS, "/gadgetry-storm", 50);
    let (pid, port) = (storm.pid, free_port());
    let collector = Collector::start(&config(pid, "", port));
    storm.begin();
    for operators in
        ["    operators: [{filter: 'fname == \"/gadgetry-storm\"'}]\n", "", "    operators: [{filter: 'error == \"ENOENT\"'}]\n"]
    {
        let before = collector.log().matches("configuration applied").count();
        let changed = config(pid, "", port).replace("    exporters: [file]\n", &format!("{operators}    exporters: [file]\n"));
        collector.rewrite(&changed);
        wait_for(20, "the reload", || (collector.log().matches("configuration applied").count() > before).then_some(()));
    }
    storm.finish();
    let lines = wait_for(5, "the last events", || Some(collector.events("events.jsonl").len() as u64).filter(|n| *n >= OPENS));
    let (code, log) = collector.stop();
    assert_eq!((code, lines), (0, OPENS), "{log}");
    let rows = ledger(&log);
    let opens = rows.iter().find(|r| r.gadget == "opens").unwrap();
    assert_eq!((opens.delivered, opens.lost), (OPENS, 0), "{log}");
    // While old and new are both attached both see the events; one of the two leaves them out.
    assert_eq!(opens.produced, OPENS + opens.filtered, "{log}");
    println!("replaced three times, {} events were seen by both", opens.filtered);
}

#[test]
fn a_bad_file_names_the_place_and_the_gadgets_go_on() {
    if !can_trace("bad reload") {
        return;
    }
    let collector = Collector::start(&config(0, "", free_port()));
    collector.rewrite("version: v1\ngadgets:\n  - name: opens\n    imagee: trace_open\n");
    collector.wait_log(10, "collector.yaml:4:5");
    collector.wait_log(10, "did you mean \"image\"");
    std::fs::write(collector.path("still-traced"), "x").unwrap();
    let wanted = collector.path("still-traced");
    wait_for(5, "an event after the refused reload", || {
        collector.events("events.jsonl").into_iter().find(|e| e["fname"] == wanted.to_str().unwrap())
    });
    assert_eq!(collector.stop().0, 0);
}

#[test]
fn sighup_reopens_a_file_that_was_moved_away() {
    if !can_trace("SIGHUP") {
        return;
    }
    let collector = Collector::start(&config(0, "", free_port()));
    let moved = collector.path("moved.jsonl");
    wait_for(5, "the first file", || collector.path("events.jsonl").exists().then_some(()));
    std::fs::rename(collector.path("events.jsonl"), &moved).unwrap();
    collector.signal(libc::SIGHUP);
    wait_for(5, "the file under its name again", || collector.path("events.jsonl").exists().then_some(()));
    std::fs::write(collector.path("after"), "x").unwrap();
    let wanted = collector.path("after");
    wait_for(5, "an event in the new file", || {
        collector.events("events.jsonl").into_iter().find(|e| e["fname"] == wanted.to_str().unwrap())
    });
    let (code, log) = collector.stop();
    assert_eq!(code, 0, "{log}");
    assert!(ledger(&log).iter().all(|r| r.exporter_dropped == 0 && r.in_flight == 0), "{log}");
}
