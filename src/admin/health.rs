//! The health pages.

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

use super::report::{Health, Phase, Report};
use crate::telemetry::process;

/// Everything: 200 while it collects (a receiver that is down is no reason to restart us), else 503.
pub fn full(report: &Report) -> impl IntoResponse + use<> {
    let health = report.health();
    let exporters: Vec<_> = report
        .exporters
        .iter()
        .map(|e| {
            json!({
                "id": e.id, "destination": e.status.destination, "failing": e.status.failing,
                "queue_bytes": e.status.queue_bytes, "queue_limit": e.status.queue_limit,
            })
        })
        .collect();
    let started = process::read().start_unix_seconds;
    let mut body = json!({
        "status": health, "version": env!("CARGO_PKG_VERSION"), "start_unix_seconds": started,
        "gadgets": report.gadgets, "exporters": exporters, "runtimes": report.runtimes,
        "containers": report.containers,
    });
    if let Some(kubernetes) = &report.kubernetes {
        body["kubernetes"] = json!(kubernetes);
    }
    answer(matches!(health, Health::Ok | Health::Degraded), &body)
}

/// Whether it has started and is not stopping.
pub fn ready(report: &Report) -> impl IntoResponse + use<> {
    let ready = report.phase == Phase::Running;
    answer(ready, &json!({"ready": ready, "status": report.health()}))
}

/// Whether it answers at all.
pub fn live() -> impl IntoResponse + use<> {
    answer(true, &json!({"live": true}))
}

fn answer(good: bool, body: &serde_json::Value) -> impl IntoResponse + use<> {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n"))
}
