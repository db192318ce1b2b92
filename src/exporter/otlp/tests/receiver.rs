//! A receiver that speaks OTLP over gRPC and HTTP, answers from a script and keeps what it took.

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{MetricsService, MetricsServiceServer};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

#[derive(Debug, Clone)]
pub(super) enum Answer {
    Partial(i64),
    Grpc(Code),
    /// RESOURCE_EXHAUSTED with RetryInfo.
    Throttle(Duration),
    Http(u16, Option<&'static str>),
    Hang,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) answers: Mutex<VecDeque<Answer>>,
    /// Requests that were answered with success.
    pub(super) logs: Mutex<Vec<ExportLogsServiceRequest>>,
    pub(super) metrics: Mutex<Vec<ExportMetricsServiceRequest>>,
    /// Requests of any outcome.
    pub(super) attempts: Mutex<u64>,
    pub(super) headers: Mutex<HeaderMap>,
}

/// Runs until it is dropped, and its connections with it: it has its own runtime.
pub(super) struct Receiver {
    pub(super) state: Arc<State>,
    pub(super) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl State {
    fn next(&self) -> Option<Answer> {
        *self.attempts.lock().unwrap() += 1;
        self.answers.lock().unwrap().pop_front()
    }

    /// The pids of all log records taken, in the order of arrival.
    pub(super) fn pids(&self) -> Vec<u32> {
        let requests = self.logs.lock().unwrap();
        let records = requests.iter().flat_map(|r| &r.resource_logs).flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records);
        records
            .map(|record| match record.attributes[0].value.as_ref().unwrap().value {
                Some(Any::IntValue(pid)) => pid as u32,
                ref other => panic!("{other:?}"),
            })
            .collect()
    }
}

struct Grpc(Arc<State>);

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(&self, request: Request<ExportLogsServiceRequest>) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let answer = self.0.next();
        *self.0.headers.lock().unwrap() = request.metadata().clone().into_headers();
        let mut response = ExportLogsServiceResponse::default();
        match answer {
            Some(Answer::Grpc(code)) => return Err(Status::new(code, "as scripted")),
            Some(Answer::Throttle(delay)) => {
                let details = ErrorDetails::with_retry_info(Some(delay));
                return Err(Status::with_error_details(Code::ResourceExhausted, "slow down", details));
            }
            Some(Answer::Hang) => std::future::pending().await,
            Some(Answer::Partial(rejected_log_records)) => {
                response.partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message: "some".to_owned() });
            }
            Some(Answer::Http(..)) | None => {}
        }
        self.0.logs.lock().unwrap().push(request.into_inner());
        Ok(Response::new(response))
    }
}

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(&self, request: Request<ExportMetricsServiceRequest>) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        if let Some(Answer::Grpc(code)) = self.0.next() {
            return Err(Status::new(code, "as scripted"));
        }
        self.0.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

pub(super) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// An address where nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    listener().await.local_addr().unwrap()
}

impl Receiver {
    pub(super) async fn grpc(answers: impl IntoIterator<Item = Answer>) -> Receiver {
        Receiver::grpc_on(listener().await, answers, None)
    }

    pub(super) fn grpc_on(
        listener: TcpListener,
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<tonic::transport::ServerTlsConfig>,
    ) -> Receiver {
        let receiver = Receiver::new(&listener, answers);
        let logs = LogsServiceServer::new(Grpc(receiver.state.clone())).accept_compressed(CompressionEncoding::Gzip);
        let metrics = MetricsServiceServer::new(Grpc(receiver.state.clone())).accept_compressed(CompressionEncoding::Gzip);
        let mut server = tonic::transport::Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        receiver.run(listener, |listener| async move {
            server.add_service(logs).add_service(metrics).serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        })
    }

    pub(super) async fn http(answers: impl IntoIterator<Item = Answer>) -> Receiver {
        let listener = listener().await;
        let receiver = Receiver::new(&listener, answers);
        let (logs, metrics) = (receiver.state.clone(), receiver.state.clone());
        let router = axum::Router::new()
            .route("/v1/logs", axum::routing::post(move |headers: HeaderMap, body: Bytes| http(logs, headers, body, false)))
            .route("/v1/metrics", axum::routing::post(move |headers: HeaderMap, body: Bytes| http(metrics, headers, body, true)));
        receiver.run(listener, |listener| async move { axum::serve(listener, router).await.unwrap() })
    }

    fn new(listener: &TcpListener, answers: impl IntoIterator<Item = Answer>) -> Receiver {
        let state = Arc::new(State { answers: Mutex::new(answers.into_iter().collect()), ..State::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Receiver { state, address: listener.local_addr().unwrap(), runtime: Some(runtime) }
    }

    fn run<F: Future<Output = ()> + Send + 'static>(
        self,
        listener: TcpListener,
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> Receiver {
        let listener = listener.into_std().unwrap();
        self.runtime.as_ref().unwrap().spawn(async move { serve(TcpListener::from_std(listener).unwrap()).await });
        self
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn http(state: Arc<State>, headers: HeaderMap, body: Bytes, metrics: bool) -> (StatusCode, HeaderMap, Vec<u8>) {
    let answer = state.next();
    let mut plain = Vec::new();
    match headers.get("content-encoding") {
        Some(_) => drop(flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap()),
        None => plain.extend(body),
    }
    *state.headers.lock().unwrap() = headers;
    let mut answered = (StatusCode::OK, HeaderMap::new(), Vec::new());
    match answer {
        Some(Answer::Http(status, retry_after)) => {
            answered.0 = StatusCode::from_u16(status).unwrap();
            answered.1.extend(retry_after.map(|text| (axum::http::header::RETRY_AFTER, text.parse().unwrap())));
            answered.2 = b"as scripted".to_vec();
            return answered;
        }
        Some(Answer::Hang) => std::future::pending().await,
        Some(Answer::Partial(rejected_log_records)) => {
            let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message: "some".to_owned() });
            answered.2 = ExportLogsServiceResponse { partial_success }.encode_to_vec();
        }
        _ => {}
    }
    match metrics {
        true => state.metrics.lock().unwrap().push(Message::decode(&*plain).unwrap()),
        false => state.logs.lock().unwrap().push(Message::decode(&*plain).unwrap()),
    }
    answered
}
