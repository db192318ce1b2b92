//! The collector's own endpoints: its metrics for Prometheus, its health for orchestrators and people.
//!
//! State comes in through a [`StatusSource`], a closure of whoever runs the collector: nothing here knows pipelines.

mod health;
mod metrics;
mod report;
#[cfg(test)]
mod tests;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use report::{
    Containers, ExporterHealth, GadgetHealth, GadgetState, Health, Phase, Reloads, Report, RuntimeHealth, RuntimeState, StatusSource,
};

use crate::exporter::prometheus::server;
use crate::telemetry::Ledger;

/// Serves `GET /metrics` with the ledger, the exporters' queues, reloads and the process, until `cancel`. Call it within a runtime.
///
/// # Errors
/// When the socket cannot be handed to the runtime.
pub fn serve_telemetry(
    listener: &TcpListener,
    ledger: Arc<Ledger>,
    status: StatusSource,
    cancel: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let gather = Arc::new(move || metrics::gather(&ledger.totals(), &status()));
    server::serve(listener, server::routes(gather, true), cancel)
}

/// Serves the health pages until `cancel`: `/` with details, `/ready` (started, not stopping) and `/live` (answers at all).
/// Each is 200 or 503 with JSON. Call it within a runtime.
///
/// # Errors
/// When the socket cannot be handed to the runtime.
pub fn serve_health(listener: &TcpListener, status: StatusSource, cancel: CancellationToken) -> io::Result<JoinHandle<()>> {
    let for_ready = status.clone();
    let router = Router::new()
        .route("/", get(move || async move { health::full(&status()).into_response() }))
        .route("/ready", get(move || async move { health::ready(&for_ready()).into_response() }))
        .route("/live", get(|| async { health::live().into_response() }));
    server::serve(listener, router, cancel)
}
