//! Own telemetry against a receiver of our own.

use std::sync::Mutex;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

#[derive(Default)]
struct Received {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    token: Option<String>,
}

async fn receiver() -> (String, Arc<Mutex<Received>>) {
    let received = Arc::new(Mutex::new(Received::default()));
    let (for_traces, for_metrics) = (received.clone(), received.clone());
    let traces = move |headers: HeaderMap, body: Bytes| async move {
        let mut received = for_traces.lock().unwrap();
        received.token = headers.get("x-token").map(|v| v.to_str().unwrap().to_owned());
        received.traces.push(ExportTraceServiceRequest::decode(body).unwrap());
    };
    let metrics = move |body: Bytes| async move {
        for_metrics.lock().unwrap().metrics.push(ExportMetricsServiceRequest::decode(body).unwrap());
    };
    let router = Router::new().route("/v1/traces", post(traces)).route("/v1/metrics", post(metrics));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, received)
}

fn settings(endpoint: String, protocol: Protocol) -> Settings {
    let headers = BTreeMap::from([("X-Token".to_owned(), "secret".to_owned())]);
    let resource = vec![("service.name".to_owned(), "gadgetry".to_owned())];
    Settings { endpoint, protocol, headers, interval: Duration::from_secs(3600), resource }
}

/// What is left at shutdown arrives: spans with the service's name, the ledger as metrics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_and_the_ledger_arrive_over_http() {
    let (endpoint, received) = receiver().await;
    let ledger = Arc::new(Ledger::default());
    ledger.gadget("execs").received.add(42);
    let own = start(&settings(endpoint, Protocol::HttpProtobuf), &ledger, None, &tokio::runtime::Handle::current()).unwrap();
    let layer = tracing_opentelemetry::layer().with_tracer(own.traces.tracer("gadgetry"));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info_span!("load", gadget = "execs").in_scope(|| ());
    });
    own.shutdown(Duration::from_secs(5)).await;
    let received = received.lock().unwrap();
    let spans = &received.traces[0].resource_spans[0];
    assert_eq!(spans.scope_spans[0].spans[0].name, "load");
    assert_eq!(spans.resource.as_ref().unwrap().attributes[0].key, "service.name");
    assert_eq!(received.token.as_deref(), Some("secret"));
    let metrics = &received.metrics[0].resource_metrics[0].scope_metrics[0].metrics;
    let names: Vec<&str> = metrics.iter().map(|m| m.name.as_str()).collect();
    assert!(names.contains(&"gadgetry.gadget.received") && names.contains(&"process.memory.usage"), "{names:?}");
    let shown = format!("{:?}", metrics.iter().find(|m| m.name == "gadgetry.gadget.received"));
    assert!(shown.contains("AsInt(42)") && shown.contains("execs"), "{shown}");
}

/// The daemon logs before it knows where its traces go, so they are tapped from the running log; the transport's own are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_are_tapped_from_a_log_that_runs_already() {
    let (endpoint, received) = receiver().await;
    let filter = tracing_subscriber::EnvFilter::new("error");
    let (subscriber, logging) = super::super::logging::subscriber(Default::default(), filter, false, std::io::sink);
    let here = tokio::runtime::Handle::current();
    let own = tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("before").in_scope(|| ());
        let own = start(&settings(endpoint, Protocol::HttpProtobuf), &Arc::default(), Some(&logging), &here).unwrap();
        tracing::info_span!("reload", gadgets = 3).in_scope(|| tracing::info!("applied"));
        tracing::debug_span!("detail").in_scope(|| ());
        tracing::info_span!(target: "h2", "frame").in_scope(|| ());
        own
    });
    own.shutdown(Duration::from_secs(5)).await;
    let received = received.lock().unwrap();
    let spans = &received.traces[0].resource_spans[0].scope_spans[0].spans;
    assert_eq!(spans.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["reload"]);
    assert_eq!(spans[0].events[0].name, "applied");
}

/// Nobody listens there: starting works, and stopping keeps the deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_not_there_costs_no_more_than_the_deadline() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let ledger = Arc::new(Ledger::default());
        ledger.gadget("execs").received.add(1);
        let own = start(&settings(format!("http://{free}"), protocol), &ledger, None, &tokio::runtime::Handle::current()).unwrap();
        let begin = Instant::now();
        own.shutdown(Duration::from_millis(500)).await;
        assert!(begin.elapsed() < Duration::from_secs(2), "{protocol:?} took {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named_without_its_value() {
    let mut settings = settings("http://127.0.0.1:4317".to_owned(), Protocol::Grpc);
    settings.headers.insert("bad name".to_owned(), "secret".to_owned());
    let error = start(&settings, &Arc::default(), None, &tokio::runtime::Handle::current()).err().unwrap();
    assert_eq!(error.to_string(), "header \"bad name\" of own telemetry is not valid");
}
