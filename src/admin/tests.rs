//! What the endpoints answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::*;
use crate::component::ExporterStatus;
use crate::kubernetes::{KubernetesState, KubernetesStatus};
use crate::telemetry::DropReason;

fn ledger() -> Arc<Ledger> {
    let ledger = Arc::new(Ledger::default());
    let gadget = ledger.gadget("execs");
    gadget.received.add(10);
    gadget.lost.add(2);
    gadget.filtered_by("filter").add(3);
    gadget.count_dropped(DropReason::Malformed, 1);
    let exporter = gadget.exporter("file/audit");
    exporter.accepted.add(6);
    exporter.delivered.add(3);
    exporter.count_dropped(DropReason::QueueFull, 1);
    ledger
}

fn runtime(name: &str, state: RuntimeState, reason: Option<&str>) -> RuntimeHealth {
    let connected = state == RuntimeState::Connected;
    let (socket, reason) = (format!("/run/{name}.sock"), reason.map(str::to_owned));
    RuntimeHealth { name: name.to_owned(), socket, connected, state, reason, since_unix_seconds: 1_600_000_000 }
}

fn report() -> Report {
    let status = ExporterStatus { destination: "/x".to_owned(), queue_bytes: 5, queue_limit: 100, failing: None };
    Report {
        phase: Phase::Running,
        gadgets: vec![GadgetHealth { name: "execs".to_owned(), state: GadgetState::Running, error: None }],
        exporters: vec![ExporterHealth { id: "file/audit".to_owned(), status }],
        runtimes: vec![runtime("docker", RuntimeState::Connected, None), runtime("podman", RuntimeState::Waiting, Some("no such file"))],
        containers: Containers { running: 3, kept: 5, refused: 1, found: 7, not_found: 8, missed: 9 },
        kubernetes: Some(KubernetesStatus {
            url: "https://10.0.0.1".to_owned(),
            state: KubernetesState::Waiting("gone".to_owned()),
            since_unix_seconds: 7,
            problems: Vec::new(),
        }),
        reloads: Reloads { succeeded: 1, failed: 2, last_unix_seconds: 1.5e9, last_succeeded: true },
    }
}

async fn get(address: std::net::SocketAddr, path: &'static str) -> (u16, String) {
    let ask = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_term_of_the_ledger_is_a_metric() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cancel = CancellationToken::new();
    let task = serve_telemetry(&listener, ledger(), Arc::new(report), cancel.clone()).unwrap();
    let (status, text) = get(listener.local_addr().unwrap(), "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "gadgetry_gadget_received_total{gadget=\"execs\"} 10\n",
        "gadgetry_gadget_lost_total{gadget=\"execs\",stage=\"ring\"} 2\n",
        "gadgetry_gadget_filtered_total{gadget=\"execs\",operator=\"filter\"} 3\n",
        "gadgetry_gadget_dropped_total{gadget=\"execs\",reason=\"malformed\"} 1\n",
        "gadgetry_exporter_accepted_total{gadget=\"execs\",exporter=\"file/audit\"} 6\n",
        "gadgetry_exporter_delivered_total{gadget=\"execs\",exporter=\"file/audit\"} 3\n",
        "gadgetry_exporter_dropped_total{gadget=\"execs\",exporter=\"file/audit\",reason=\"queue_full\"} 1\n",
        "gadgetry_exporter_in_flight{gadget=\"execs\",exporter=\"file/audit\"} 2\n",
        "gadgetry_exporter_queue_bytes{exporter=\"file/audit\"} 5\n",
        "gadgetry_exporter_queue_limit_bytes{exporter=\"file/audit\"} 100\n",
        "gadgetry_runtime_connected{runtime=\"docker\"} 1\n",
        "gadgetry_runtime_connected{runtime=\"podman\"} 0\n",
        "gadgetry_containers_running 3\n",
        "gadgetry_containers_kept 5\n",
        "gadgetry_containers_refused_total 1\n",
        "gadgetry_containers_lookups_total{result=\"found\"} 7\n",
        "gadgetry_containers_lookups_total{result=\"none\"} 8\n",
        "gadgetry_containers_watch_missed_total 9\n",
        "gadgetry_config_reloads_total{result=\"failure\"} 2\n",
        "gadgetry_kubernetes_connected 0\n",
        "gadgetry_config_last_reload_timestamp_seconds 1500000000.0\n",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ", "gadgetry_build_info{"] {
        assert!(text.contains(&format!("\n{name}")), "{name} is missing in\n{text}");
    }
    lint(&text);
    cancel.cancel();
    task.await.unwrap();
}

/// Promtool has no finding, where it is installed.
#[allow(clippy::print_stderr)]
fn lint(text: &str) {
    let spawned = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = spawned else {
        eprintln!("promtool is not installed: the names were not linted");
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_pages_tell_collecting_from_failing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cell = Arc::new(std::sync::Mutex::new(Report::default()));
    let source = cell.clone();
    let _task = serve_health(&listener, Arc::new(move || source.lock().unwrap().clone()), CancellationToken::new()).unwrap();
    assert_eq!(get(address, "/ready").await.0, 503);
    assert_eq!(get(address, "/live").await.0, 200);
    let mut now = report();
    now.exporters[0].status.failing = Some("connection refused".to_owned());
    *cell.lock().unwrap() = now.clone();
    let (status, body) = get(address, "/").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &json["status"], &json["exporters"][0]["failing"]), (200, &"degraded".into(), &"connection refused".into()));
    assert_eq!(json["gadgets"][0]["state"], "running");
    let docker = serde_json::json!({
        "name": "docker", "socket": "/run/docker.sock", "connected": true, "state": "connected", "since_unix_seconds": 1_600_000_000,
    });
    assert_eq!((&json["runtimes"][0], &json["runtimes"][1]["reason"]), (&docker, &"no such file".into()));
    let containers = serde_json::json!({"running": 3, "kept": 5, "refused": 1, "found": 7, "not_found": 8, "missed": 9});
    assert_eq!(json["containers"], containers);
    let kubernetes = serde_json::json!({"url": "https://10.0.0.1", "state": "waiting", "reason": "gone", "since_unix_seconds": 7});
    assert_eq!(json["kubernetes"], kubernetes);
    now.gadgets[0] = GadgetHealth { name: "execs".to_owned(), state: GadgetState::Failed, error: Some("no BTF".to_owned()) };
    *cell.lock().unwrap() = now;
    let (status, body) = get(address, "/").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &json["status"], &json["gadgets"][0]["error"]), (503, &"failing".into(), &"no BTF".into()));
    assert_eq!(get(address, "/ready").await.0, 200);
}

#[test]
fn a_refused_reload_degrades_until_one_is_applied() {
    let mut report = report();
    assert_eq!(report.health(), Health::Ok);
    report.reloads.last_succeeded = false;
    assert_eq!(report.health(), Health::Degraded);
}
