//! An OTLP receiver of our own over gRPC and HTTP: keeps what it took in every field, answers as told, goes down and comes back.

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// What the receiver makes of a request instead of taking it.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// Takes all but so many records.
    Partial(i64),
    /// INVALID_ARGUMENT, 400: not to be tried again.
    Refuse,
    /// UNAVAILABLE, 503: to be tried again.
    Later,
}

/// What was received; outlives the receiver.
#[derive(Default)]
pub struct Received {
    pub answers: Mutex<VecDeque<Answer>>,
    pub logs: Mutex<Vec<ExportLogsServiceRequest>>,
    /// Records of requests that were refused for good, and of any that were answered.
    pub refused: Mutex<u64>,
    pub attempts: Mutex<u64>,
    /// Of the last request.
    pub headers: Mutex<HeaderMap>,
}

impl Received {
    /// Every record with its resource and scope, in the order of arrival.
    pub fn records(&self) -> Vec<(Resource, InstrumentationScope, LogRecord)> {
        let mut all = Vec::new();
        for resource in self.logs.lock().unwrap().iter().flat_map(|r| &r.resource_logs) {
            for scope in &resource.scope_logs {
                let (owner, scope_of) = (resource.resource.clone().unwrap(), scope.scope.clone().unwrap());
                all.extend(scope.log_records.iter().map(|record| (owner.clone(), scope_of.clone(), record.clone())));
            }
        }
        all
    }

    /// Kernel times of all records, which tell those of one thread apart, and how many there were with repetitions.
    pub fn times(&self) -> (BTreeSet<u64>, u64) {
        let requests = self.logs.lock().unwrap();
        let all = requests.iter().flat_map(|r| &r.resource_logs).flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records);
        let (mut times, mut count) = (BTreeSet::new(), 0);
        for record in all {
            times.insert(record.time_unix_nano);
            count += 1;
        }
        (times, count)
    }

    fn take(&self, request: ExportLogsServiceRequest, headers: HeaderMap) -> Result<ExportLogsServiceResponse, Answer> {
        *self.attempts.lock().unwrap() += 1;
        *self.headers.lock().unwrap() = headers;
        let answer = self.answers.lock().unwrap().pop_front();
        let mut response = ExportLogsServiceResponse::default();
        match answer {
            Some(Answer::Partial(rejected_log_records)) => {
                let error_message = "as told".to_owned();
                response.partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message });
            }
            Some(Answer::Refuse) => {
                let scopes = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
                *self.refused.lock().unwrap() += scopes.map(|s| s.log_records.len() as u64).sum::<u64>();
                return Err(Answer::Refuse);
            }
            Some(later) => return Err(later),
            None => {}
        }
        self.logs.lock().unwrap().push(request);
        Ok(response)
    }
}

struct Grpc(Arc<Received>);

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(&self, request: Request<ExportLogsServiceRequest>) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        self.0.take(request.into_inner(), headers).map(Response::new).map_err(|answer| match answer {
            Answer::Later => Status::new(Code::Unavailable, "as told"),
            _ => Status::new(Code::InvalidArgument, "as told"),
        })
    }
}

async fn post(received: Arc<Received>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    let mut plain = Vec::new();
    match headers.get("content-encoding") {
        Some(_) => drop(flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap()),
        None => plain.extend(body),
    }
    let request = ExportLogsServiceRequest::decode(&*plain).unwrap();
    match received.take(request, headers) {
        Ok(response) => (StatusCode::OK, response.encode_to_vec()),
        Err(Answer::Later) => (StatusCode::SERVICE_UNAVAILABLE, b"as told".to_vec()),
        Err(_) => (StatusCode::BAD_REQUEST, b"as told".to_vec()),
    }
}

/// The two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    pub const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

    /// Type of the exporter that speaks it.
    pub fn exporter(self) -> &'static str {
        match self {
            Protocol::Grpc => "otlp_grpc",
            Protocol::Http => "otlp_http",
        }
    }
}

/// Listens until it is dropped; open connections break with it.
pub struct Otlp {
    runtime: Option<tokio::runtime::Runtime>,
    pub url: String,
}

impl Otlp {
    /// Listens on `port` and keeps what comes in `received`.
    pub fn start(protocol: Protocol, port: u16, received: &Arc<Received>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = received.clone();
        match protocol {
            Protocol::Grpc => {
                let service = LogsServiceServer::new(Grpc(received)).accept_compressed(CompressionEncoding::Gzip);
                let server = tonic::transport::Server::builder().add_service(service);
                runtime.spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap() });
            }
            Protocol::Http => {
                let route = axum::routing::post(move |headers: HeaderMap, body: Bytes| post(received, headers, body));
                let router = axum::Router::new().route("/v1/logs", route).layer(DefaultBodyLimit::disable());
                runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
            }
        }
        Otlp { runtime: Some(runtime), url }
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}
