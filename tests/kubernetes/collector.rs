//! The collector with an API server: its state on the health page and among the metrics.

use std::time::Duration;

use crate::control_plane::ControlPlane;
use crate::support::{self, Collector};

/// Proves that the health page and the metrics tell whether the API server is heard, and that it is no fault of the collector when not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_page_tells_of_kubernetes() {
    if !support::can_trace("the_health_page_tells_of_kubernetes") {
        return;
    }
    let Some(mut plane) = ControlPlane::start("the_health_page_tells_of_kubernetes").await else { return };
    let kubeconfig = plane.kubeconfig("admintoken");
    let (health, telemetry) = (support::free_port(), support::free_port());
    let config = format!(
        "version: v1\ngadgets:\n  - {{name: execs, image: trace_exec, exporters: [file]}}\nexporters:\n  file: {{path: DIR/out.jsonl}}\n\
         service:\n  health: {{endpoint: \"127.0.0.1:{health}\"}}\n  telemetry: {{endpoint: \"127.0.0.1:{telemetry}\"}}\n\
         kubernetes: {{enabled: true, kubeconfig: {}, node: node1}}\n",
        kubeconfig.display()
    );
    let collector = Collector::spawn(&config);
    let page = move || {
        let (head, body) = support::get(&format!("127.0.0.1:{health}"), "/", "*/*").ok()?;
        let json: serde_json::Value = serde_json::from_str(body.trim()).ok()?;
        Some((head.contains(" 200 "), json["kubernetes"].clone()))
    };
    let state = |word: &'static str| move || page().filter(|(healthy, kubernetes)| *healthy && kubernetes["state"] == word);
    let metric = move |value: &str| {
        let body = support::get(&format!("127.0.0.1:{telemetry}"), "/metrics", "text/plain").map(|(_, body)| body).unwrap_or_default();
        body.contains(&format!("gadgetry_kubernetes_connected {value}\n")).then_some(())
    };
    support::wait_for(30, "connection", state("connected"));
    support::wait_for(5, "metric", || metric("1"));
    plane.kill_api_server();
    let (_, kubernetes) = support::wait_for(10, "waiting", state("waiting"));
    assert!(kubernetes["reason"].as_str().unwrap().contains("refused"), "{kubernetes}");
    assert!(kubernetes["url"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{kubernetes}");
    support::wait_for(5, "metric", || metric("0"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(collector);
}
