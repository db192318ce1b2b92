//! The collector's own traces and metrics over OTLP, when configured. Runs beside the data plane: its failures are logged, no more.

mod client;
mod metrics;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::metadata::{MetadataKey, MetadataMap};

use super::Ledger;
use super::logging::Logging;

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf; `/v1/traces` and `/v1/metrics` are added to the endpoint.
    HttpProtobuf,
}

/// Where own telemetry goes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URL with scheme.
    pub endpoint: String,
    /// How it is spoken.
    pub protocol: Protocol,
    /// Sent along with each request.
    pub headers: BTreeMap<String, String>,
    /// Between two exports of the metrics.
    pub interval: Duration,
    /// Resource attributes, `service.name` among them.
    pub resource: Vec<(String, String)>,
}

/// Why own telemetry was not started.
#[derive(Debug, thiserror::Error)]
pub enum OtelError {
    /// The exporter refuses the endpoint or protocol.
    #[error("set up own telemetry to {endpoint:?}")]
    Build {
        /// The endpoint.
        endpoint: String,
        /// Why.
        source: ExporterBuildError,
    },
    /// A header that HTTP does not allow.
    #[error("header {name:?} of own telemetry is not valid")]
    Header {
        /// Its name; the value may be secret.
        name: String,
    },
    /// The HTTP client.
    #[error("make an HTTP client for own telemetry")]
    Client(#[from] reqwest::Error),
}

/// Own telemetry that is being sent.
pub struct OwnTelemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

/// Time for one export; also bounds how long the last one can take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Starts to send the ledger and the process as metrics, and the spans of our code as traces, tapped from `logging`.
/// `runtime` runs the transport.
///
/// # Errors
/// When the settings cannot work; a receiver that is not there is no error.
pub fn start(
    settings: &Settings,
    ledger: &Arc<Ledger>,
    logging: Option<&Logging>,
    runtime: &tokio::runtime::Handle,
) -> Result<OwnTelemetry, OtelError> {
    let _entered = runtime.enter();
    let (spans, points) = exporters(settings, runtime)?;
    let attributes = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let resource = Resource::builder_empty().with_attributes(attributes).build();
    let traces = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
    let reader = PeriodicReader::builder(points).with_interval(settings.interval).build();
    let metrics = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
    metrics::observe(&metrics, ledger);
    if let Some(logging) = logging {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer(env!("CARGO_PKG_NAME")));
        logging.tap(Some(Box::new(layer)));
    }
    Ok(OwnTelemetry { traces, metrics })
}

fn exporters(settings: &Settings, runtime: &tokio::runtime::Handle) -> Result<(SpanExporter, MetricExporter), OtelError> {
    let failed = |source| OtelError::Build { endpoint: settings.endpoint.clone(), source };
    match settings.protocol {
        Protocol::Grpc => {
            let metadata = metadata(&settings.headers)?;
            let spans = SpanExporter::builder().with_tonic().with_metadata(metadata.clone()).with_endpoint(&settings.endpoint);
            let points = MetricExporter::builder().with_tonic().with_metadata(metadata).with_endpoint(&settings.endpoint);
            let spans = spans.with_timeout(TIMEOUT).build().map_err(failed)?;
            Ok((spans, points.with_timeout(TIMEOUT).build().map_err(failed)?))
        }
        Protocol::HttpProtobuf => {
            let client = Arc::new(client::OnRuntime::new(runtime, TIMEOUT)?);
            let headers: HashMap<String, String> = settings.headers.clone().into_iter().collect();
            let url = |path: &str| format!("{}/v1/{path}", settings.endpoint.trim_end_matches('/'));
            let spans = SpanExporter::builder().with_http().with_shared_http_client(client.clone()).with_headers(headers.clone());
            let points = MetricExporter::builder().with_http().with_shared_http_client(client).with_headers(headers);
            let spans = spans.with_endpoint(url("traces")).with_timeout(TIMEOUT).build().map_err(failed)?;
            Ok((spans, points.with_endpoint(url("metrics")).with_timeout(TIMEOUT).build().map_err(failed)?))
        }
    }
}

fn metadata(headers: &BTreeMap<String, String>) -> Result<MetadataMap, OtelError> {
    let mut metadata = MetadataMap::new();
    for (name, value) in headers {
        let invalid = || OtelError::Header { name: name.clone() };
        let key = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| invalid())?;
        metadata.insert(key, value.parse().map_err(|_| invalid())?);
    }
    Ok(metadata)
}

impl OwnTelemetry {
    /// Sends what is left, for at most `deadline`, and ends. What cannot be sent by then is given up.
    pub async fn shutdown(self, deadline: Duration) {
        let (done, ended) = tokio::sync::oneshot::channel();
        // A thread of its own: the SDK blocks, and a blocking task of the runtime would hold up the runtime's end.
        let thread = std::thread::Builder::new().name("own-telemetry-stop".to_owned()).spawn(move || {
            let metrics = self.metrics.shutdown_with_timeout(deadline);
            let traces = self.traces.shutdown_with_timeout(deadline);
            // Nobody listens any more when the deadline has passed.
            let _ = done.send(metrics.and(traces));
        });
        if thread.is_err() {
            tracing::warn!("own telemetry could not be flushed");
            return;
        }
        match tokio::time::timeout(deadline, ended).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "own telemetry was not sent completely"),
            Ok(Err(_)) | Err(_) => tracing::warn!("own telemetry was not sent before the deadline"),
        }
    }
}
