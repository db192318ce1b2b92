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

/// Declarations may be tags instead of names: a parameter, a tracer, a map that is read, iterators, and what one of them walks over.
#[test]
fn tags() {
    if crate::programs::refused_map_iterators("markers: declaration tags") {
        return;
    }
    with_each_compiler(|compiler| {
        let run = Run::start("tags", compiler, &Setup::params(&[("thread", &thread())]));
        let (process, thread) = (std::process::id(), thread().parse::<u32>().unwrap());
        run.event_of("tasks", |e| e["pid"] == process && e["tid"] == thread);
        getppid(3);
        run.event_of("calls", |e| e["pid"] == process && e["count"].as_u64() >= Some(3));
        run.event_of("counts", |e| e["tid"] == thread && e["calls"].as_u64() >= Some(3));
        run.event_of("elements", |e| e["tid"] == thread && e["calls"].as_u64() >= Some(3));
    });
    seen("markers: declaration tags");
}
