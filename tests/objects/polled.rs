//! Gadgets without programs: what their metadata switches on.

use serde_json::Value;

use crate::harness::{COMPILERS, Run, Setup, seen};
use crate::trigger::{getppid, thread};

/// Every process once, with the chosen fields and what formatters make of them.
#[test]
fn processes() {
    let run = Run::start("processes", COMPILERS[0], &Setup::default());
    let own = run.event_of("processes", |e| e["pid"] == std::process::id());
    let members: Vec<&String> = own.as_object().unwrap().keys().collect();
    let wanted = ["comm", "cpuUsage", "memoryRSS", "memoryRSS_raw", "mountnsid", "pid", "startTime", "startTimeStr"];
    assert!(wanted.iter().all(|w| members.iter().any(|m| m == w)), "{own:#}");
    assert!(!members.iter().any(|m| ["ppid", "uid", "state", "cpuTime"].contains(&m.as_str())), "{own:#}");
    assert!(own["memoryRSS"].as_str().unwrap().ends_with("MB"), "{own:#}");
    let of_own = run.stop().iter().filter(|e| e.json["pid"] == std::process::id()).count();
    assert_eq!(of_own, 1, "the early look is the only one within a minute");
    seen("operator: process");
}

/// Programs of the whole host, ours among them by the name of their gadget; or only ours, added up.
#[test]
fn statistics_of_programs() {
    let _measured = Run::start("ring_tracer", COMPILERS[0], &Setup::params(&[("thread", &thread())]));
    let all = Run::start("bpfstats", COMPILERS[0], &Setup::default());
    getppid(1000);
    // Other tests of this process have gadgets, too.
    let of_it = |e: &Value| e["gadgetName"] == "ring_tracer" && e["runcount"].as_u64() > Some(0);
    let ran = all.event_of("bpfstats", |e| of_it(e) && e["progName"] == "enter");
    assert_eq!((ran["progType"].as_str(), ran["gadgetID"].as_str()), (Some("TracePoint"), Some("object")));
    assert!(ran["mapCount"].as_u64() >= Some(2) && ran["pids"].as_str().unwrap().contains(&std::process::id().to_string()), "{ran:#}");
    drop(all);
    let ours = Run::start("bpfstats", COMPILERS[0], &Setup::params(&[("gadgets-only", "true")]));
    getppid(1000);
    // All tests call their instance the same, so the sum is that of all their gadgets.
    let sum = ours.event_of("bpfstats", |e| e["gadgetID"] == "object" && e["runcount"].as_u64() > Some(0));
    assert_eq!(sum["progName"], "");
    seen("operator: ebpf statistics");
}
