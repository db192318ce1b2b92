//! Serving metrics over HTTP: one GET route, the format by negotiation.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::exposition::{Format, Metric, encode};

/// Where the metrics of a scrape come from.
pub type Gather = Arc<dyn Fn() -> Vec<Metric> + Send + Sync>;

/// A router with `GET /metrics`.
pub fn routes(gather: Gather, open_metrics: bool) -> Router {
    let handler = move |headers: HeaderMap| {
        let gather = gather.clone();
        async move {
            let format = Format::negotiate(accept(&headers).as_deref(), open_metrics);
            let body = encode(gather(), format);
            ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
        }
    };
    Router::new().route("/metrics", get(handler))
}

/// All `Accept` headers as one list.
fn accept(headers: &HeaderMap) -> Option<String> {
    let all: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    if all.is_empty() { None } else { Some(all.join(",")) }
}

/// Serves `router` on a copy of `listener` until `cancel`; answers in progress are finished. Must be called within a runtime.
///
/// # Errors
/// When the socket cannot be handed to the runtime.
pub fn serve(listener: &TcpListener, router: Router, cancel: CancellationToken) -> io::Result<tokio::task::JoinHandle<()>> {
    let listener = listener.try_clone()?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    Ok(tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "metrics server ended");
        }
    }))
}
