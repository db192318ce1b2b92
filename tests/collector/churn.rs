//! A thousand containers that live 50 to 500 ms, across two runtimes that are restarted meanwhile: every exec in them is named and, where they are
//! selected, traced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::containerd::Containerd;
use crate::support::docker::Engine;
use crate::support::{Collector, can_trace, ledger, wait_for};

const CONTAINERS: usize = 1000;
/// Containers of one runtime that are started at the same time.
const AT_ONCE: usize = 3;
/// What each container runs: three programs that have its name in their arguments.
const SCRIPT: &str = "sleep $0; /bin/echo $1; /bin/echo $1; true";

fn config(docker: &Engine, containerd: &Containerd) -> String {
    format!(
        "version: v1\ngadgets:\n  - {{name: all, image: trace_exec, exporters: [file/all]}}\n\
         \x20 - {{name: selected, image: trace_exec, containers: {{labels: {{app: churn}}, host: false}}, exporters: [file/selected]}}\n\
         exporters:\n  file/all: {{path: DIR/all.jsonl}}\n  file/selected: {{path: DIR/selected.jsonl}}\n\
         runtimes:\n  docker: {{socket: {}}}\n  containerd: {{socket: {}, namespaces: [churn]}}\n  podman: {{enabled: false}}\n  crio: {{enabled: false}}\n",
        docker.socket().display(),
        containerd.socket().display()
    )
}

/// How long container `number` sleeps, in seconds: 0.05 to 0.5.
fn lifetime(number: usize) -> String {
    format!("0.{:03}", 50 + number * 37 % 451)
}

fn in_docker(docker: &Engine, name: &str, number: usize) {
    let run = ["run", "--rm", "--network", "none", "-l", "app=churn", "--name", name, "localhost/busybox:1", "sh", "-c", SCRIPT];
    docker.docker(&[run.as_slice(), &[&lifetime(number), name]].concat());
}

fn in_containerd(containerd: &Containerd, name: &str, number: usize) {
    let run = ["-n", "churn", "run", "--rm", "--label", "app=churn", "localhost/busybox:1", name, "sh", "-c", SCRIPT];
    containerd.ctr(&[run.as_slice(), &[&lifetime(number), name]].concat());
}

/// Starts the containers of a range, some at once, and waits for their ends.
fn churn(range: std::ops::Range<usize>, start: impl Fn(usize) + Sync) {
    let left = Mutex::new(range);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(number) = { left.lock().unwrap().next() } {
                    start(number);
                }
            });
        }
    });
}

fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// The named programs of each container, and those whose event has no or another name.
fn named(events: &[serde_json::Value]) -> (BTreeMap<String, usize>, Vec<String>) {
    let (mut counts, mut wrong) = (BTreeMap::new(), Vec::new());
    for event in events {
        let args = event["args"].as_str().unwrap_or_default();
        // The runtimes' own programs have the name among their arguments, too, but are the host's.
        let of_container = args.starts_with("sh -c ") || args.starts_with("/bin/echo churn-");
        let Some(name) = args.split(' ').next_back().filter(|name| of_container && name.starts_with("churn-")) else { continue };
        if event["runtime"]["containerName"] != name || event["runtime"].get("unresolved").is_some() {
            wrong.push(event.to_string());
        }
        *counts.entry(name.to_owned()).or_insert(0) += 1;
    }
    (counts, wrong)
}

#[test]
fn every_exec_of_a_thousand_short_lived_containers_is_named() {
    if !can_trace("churn") {
        return;
    }
    let (Some(mut docker), Some(mut containerd)) = (Engine::prepare("churn-docker"), Containerd::prepare("churn")) else { return };
    docker.start();
    containerd.start();
    containerd.import("churn");
    let collector = Collector::start(&config(&docker, &containerd));
    let connected = || (collector.log().matches("following ").count() >= 2).then_some(());
    wait_for(20, "both runtimes", connected);
    let (began, pid) = (Instant::now(), collector.pid());
    let (half, quarter) = (CONTAINERS / 2, CONTAINERS / 4);
    let name = |number: usize| format!("churn-{number}");
    let both = |docker: &Engine, containerd: &Containerd, from: usize, to: usize| {
        std::thread::scope(|scope| {
            scope.spawn(|| churn(from..to, |number| in_docker(docker, &name(number), number)));
            scope.spawn(|| churn(half + from..half + to, |number| in_containerd(containerd, &name(number), number)));
        });
    };
    both(&docker, &containerd, 0, quarter / 2);
    let early = resident(pid);
    both(&docker, &containerd, quarter / 2, quarter);
    // The runtimes are restarted one after the other; that of the other one go on starting containers.
    std::thread::scope(|scope| {
        scope.spawn(|| churn(half + quarter..half + quarter + 50, |number| in_containerd(&containerd, &name(number), number)));
        docker.stop();
        docker.start();
    });
    std::thread::scope(|scope| {
        scope.spawn(|| churn(quarter..quarter + 50, |number| in_docker(&docker, &name(number), number)));
        containerd.stop();
        containerd.start();
    });
    both(&docker, &containerd, quarter + 50, half);
    let (late, cpu) = (resident(pid), cpu_seconds(pid));
    println!(
        "{CONTAINERS} containers in {:?}: RSS {early} KiB after an eighth, {late} KiB at the end; {:.2} ms of CPU per container, events included",
        began.elapsed(),
        cpu * 1000.0 / CONTAINERS as f64
    );
    let expected: BTreeSet<String> = (0..CONTAINERS).map(name).collect();
    let short = |file: &str| -> Vec<String> {
        let complete = || named(&collector.events(file)).0.values().sum::<usize>() >= 3 * CONTAINERS;
        let start = Instant::now();
        while !complete() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(100));
        }
        let (counts, wrong) = named(&collector.events(file));
        assert!(wrong.is_empty(), "{file}: {} events without their name, first: {}", wrong.len(), wrong[0]);
        expected.iter().filter(|name| counts.get(*name) != Some(&3)).cloned().collect()
    };
    let (all, selected) = (short("all.jsonl"), short("selected.jsonl"));
    assert!(all.is_empty(), "not three programs of {}: {all:?}\n{}", all.len(), collector.log());
    assert!(selected.is_empty(), "behind a selection not three programs of {}: {selected:?}\n{}", selected.len(), collector.log());
    assert!(late <= early * 6 / 5 + 4096, "resident memory grew from {early} to {late} KiB");
    let (code, log) = collector.stop();
    assert_eq!(code, 0);
    for row in ledger(&log) {
        assert_eq!((row.lost, row.dropped, row.exporter_dropped, row.in_flight), (0, 0, 0, 0), "{row:?}");
    }
}
