//! The markers: how a gadget says what it is.

use crate::harness::{Run, Setup, assert_golden, seen, with_each_compiler};
use crate::trigger::{getppid, thread};

/// Every call becomes one event, in order.
#[test]
fn ring_tracer() {
    with_each_compiler(|compiler| {
        let run = Run::start("ring_tracer", compiler, &Setup::params(&[("thread", &thread())]));
        getppid(3);
        let third = run.event_of("calls", |e| e["count"] == 3);
        assert_golden("ring_tracer", &third, &["timestamp", "timestamp_raw", "pid", "comm"]);
        assert_eq!(third["pid"], std::process::id());
        let counts: Vec<u64> = run.stop().iter().map(|e| e.json["count"].as_u64().unwrap()).collect();
        assert_eq!(counts, [1, 2, 3]);
    });
    seen("tracer: ring buffer");
}
