//! Other kernels than this machine's, in virtual machines: the four gadgets load, attach and report on each of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "support/vm.rs"]
mod vm;

use serde_json::Value;
use vm::Guest;

/// Every program of every gadget is verified, branches behind parameters and container selection included.
const CONFIG: &str = "\
version: v1
gadgets:
  - {name: opens, image: trace_open, params: {paths: true}, exporters: [file]}
  - {name: selected, image: trace_open, containers: {names: [nobody]}, exporters: [file]}
  - {name: chosen, image: trace_exec, containers: {runtimes: [docker]}, params: {paths: true}, exporters: [file]}
  - {name: execs, image: trace_exec, params: {ignore-failed: false, paths: true}, exporters: [file]}
  - {name: processes, image: snapshot_process, exporters: [file]}
  - {name: blockio, image: profile_blockio, params: {per-disk: true, per-flag: true}, exporters: [file]}
exporters:
  file: {path: /tmp/events.jsonl}
";

fn find<'a>(guest: &'a Guest, gadget: &str, wanted: impl Fn(&Value) -> bool) -> &'a Value {
    let found = guest.events.iter().find(|e| e["gadget"] == gadget && wanted(e));
    found.unwrap_or_else(|| panic!("no such event of {gadget}:\n{}", guest.console))
}

/// A process in a cgroup of a container, and in a namespace of its own, is known although it is gone; nobody has a name for it.
fn names_a_container(guest: &Guest) {
    let event = find(guest, "execs", |e| e["args"] == "/bin/echo marker container");
    let (id, runtime) = (format!("{:064}", 7), &event["runtime"]);
    assert_eq!(
        (runtime["containerId"].as_str(), runtime["runtimeName"].as_str()),
        (Some(id.as_str()), Some("docker")),
        "{}",
        guest.console
    );
    assert_eq!(runtime["unresolved"], true);
    // Behind a selection its first program is there, and nothing of the host.
    let chosen = guest.events.iter().filter(|e| e["gadget"] == "chosen");
    assert_eq!(chosen.map(|e| e["args"].as_str().unwrap()).collect::<Vec<_>>(), ["/bin/echo marker container"], "{}", guest.console);
    assert!(!guest.console.contains("cannot be watched for containers"), "{}", guest.console);
}

/// Runs the release in a guest with that kernel and looks at what it reported.
fn collects_on(kernel: &str) {
    let Some(guest) = Guest::run(kernel, CONFIG) else { return };
    let opened = find(&guest, "opens", |e| e["fname"] == "/marker/opened");
    assert_eq!((opened["fpath"].as_str(), opened["error"].as_str()), (Some("/marker/opened"), Some("")));
    assert_eq!(opened["proc"]["comm"], "cat");
    assert_eq!(find(&guest, "opens", |e| e["fname"] == "/marker/missing")["error"], "ENOENT");
    let done = find(&guest, "execs", |e| e["args"] == "/bin/echo marker one");
    assert_eq!((done["exepath"].as_str(), done["cwd"].as_str()), (Some("/bin/busybox"), Some("/")));
    assert_eq!((done["proc"]["comm"].as_str(), done["proc"]["parent"]["comm"].as_str()), (Some("echo"), Some("guest.sh")));
    let failed = find(&guest, "execs", |e| e["args"] == "/marker/not-there two");
    assert_eq!(failed["error"], "ENOENT");
    assert_eq!(find(&guest, "processes", |e| e["pid"] == 1)["comm"], "init");
    let slots = find(&guest, "blockio", |e| e["dev"].as_u64() > Some(0))["latency"].as_array().expect("slots");
    assert!(slots.iter().filter_map(Value::as_u64).sum::<u64>() >= 16, "{slots:?}");
    assert!(guest.events.iter().all(|e| e["gadget"] != "selected"), "{}", guest.console);
    names_a_container(&guest);
    assert_eq!(guest.status, 0, "{}", guest.console);
}

/// The oldest that gadgets are made for: no links to perf events, block tracepoints with an argument more.
#[test]
fn gadgets_collect_on_5_10() {
    collects_on("5.10");
}

/// Debian 12's own.
#[test]
fn gadgets_collect_on_6_1() {
    collects_on("6.1");
}

#[test]
fn gadgets_collect_on_6_12() {
    collects_on("6.12");
}

/// Whatever is newest in Debian's backports.
#[test]
fn gadgets_collect_on_the_newest() {
    collects_on("newest");
}

/// Where only version 1 of cgroups is mounted, containers are told by that.
#[test]
fn containers_are_told_by_cgroups_of_version_1() {
    let Some(guest) = Guest::run_with("6.1", CONFIG, &["cgroup-v1"]) else { return };
    names_a_container(&guest);
    assert_eq!(guest.status, 0, "{}", guest.console);
}
