//! Daemons that answer as a test tells them: by gRPC, or with whatever bytes.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use bytes::{Buf, BufMut, Bytes};
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// What a daemon does when it is asked.
pub(in crate::container::runtime) enum Act {
    /// Answers with messages, one for most questions.
    Say(Vec<Vec<u8>>),
    /// Answers with messages and then says no more, as a stream of events does.
    Stay(Vec<Vec<u8>>),
    /// Answers with one message again and again.
    Repeat(Vec<u8>),
    /// Answers with bytes that take the place of messages with their heads.
    Raw(Vec<u8>),
    Refuse(Code, &'static str),
    Silence,
}

impl Act {
    pub fn say(message: impl prost::Message) -> Self {
        Act::Say(vec![message.encode_to_vec()])
    }
}

/// A question: the last two parts of the method's path, containerd's namespace, the request.
pub(in crate::container::runtime) struct Asked {
    pub method: String,
    pub namespace: String,
    pub request: Bytes,
}

/// A daemon. Ends with the test's runtime.
pub(in crate::container::runtime) struct Fake {
    dir: tempfile::TempDir,
    /// Methods asked so far.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// A daemon that speaks gRPC.
    pub fn start(answer: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let incoming = futures::stream::unfold(listener, |listener| async move {
            let accepted = listener.accept().await.map(|(connection, _)| connection);
            Some((accepted, listener))
        });
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), asked.clone());
        let app = axum::Router::new().fallback(move |request: Request| respond(request, answer.clone(), log.clone()));
        let server = tonic::transport::Server::builder().add_routes(tonic::service::Routes::from(app));
        tokio::spawn(server.serve_with_incoming(incoming));
        Fake { dir, asked }
    }

    /// A daemon that says `bytes` `times` over as soon as it is connected to, then listens until the client goes, or hangs up.
    pub fn raw(bytes: &'static [u8], times: usize, hang_up: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    for _ in 0..times {
                        if connection.write_all(bytes).await.is_err() {
                            return;
                        }
                    }
                    let mut heard = [0; 1024];
                    while !hang_up && connection.read(&mut heard).await.is_ok_and(|read| read > 0) {}
                });
            }
        });
        Fake { dir, asked: Arc::default() }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// How many times something was asked.
    pub fn count(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.as_str() == method).count()
    }
}

async fn respond<A: Fn(&Asked) -> Act>(request: Request, answer: Arc<A>, log: Arc<Mutex<Vec<String>>>) -> axum::response::Response {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.rsplit('/').take(2).collect();
    let service = parts[1].rsplit('.').next().unwrap();
    let version = if parts[1].contains("v1alpha2") { "v1alpha2." } else { "" };
    let method = format!("{version}{service}/{}", parts[0]);
    let header = request.headers().get("containerd-namespace");
    let namespace = header.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    log.lock().unwrap().push(method.clone());
    let (service, raw) = (Service { method, namespace, answer }, Arc::default());
    let service = Shared { service, raw: Arc::clone(&raw) };
    let response = tonic::server::Grpc::new(Plain).server_streaming(service, request).await;
    if let Some(bytes) = raw.lock().unwrap().take() {
        let response = axum::response::Response::builder().header("content-type", "application/grpc");
        return response.body(axum::body::Body::from(bytes)).unwrap();
    }
    response.map(axum::body::Body::new)
}

struct Service<A> {
    method: String,
    namespace: String,
    answer: Arc<A>,
}

struct Shared<A> {
    service: Service<A>,
    raw: Arc<Mutex<Option<Vec<u8>>>>,
}

impl<A: Fn(&Asked) -> Act> tower_service::Service<tonic::Request<Bytes>> for Shared<A> {
    type Response = tonic::Response<Messages>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Status>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let Service { method, namespace, answer } = &self.service;
        let act = answer(&Asked { method: method.clone(), namespace: namespace.clone(), request: request.into_inner() });
        let stream = |messages: Vec<Vec<u8>>| futures::stream::iter(messages.into_iter().map(|m| Ok(Bytes::from(m))));
        let messages: Result<Messages, Status> = match act {
            Act::Say(messages) => Ok(Box::pin(stream(messages))),
            Act::Stay(messages) => Ok(Box::pin(stream(messages).chain(futures::stream::pending()))),
            Act::Repeat(message) => {
                let message = Bytes::from(message);
                Ok(Box::pin(futures::stream::repeat_with(move || Ok(message.clone()))))
            }
            Act::Raw(bytes) => {
                *self.raw.lock().unwrap() = Some(bytes);
                Ok(Box::pin(futures::stream::empty()))
            }
            Act::Refuse(code, message) => Err(Status::new(code, message)),
            Act::Silence => return Box::pin(std::future::pending()),
        };
        Box::pin(std::future::ready(messages.map(tonic::Response::new)))
    }
}

/// Messages as bytes.
#[derive(Clone, Copy)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        Plain
    }

    fn decoder(&mut self) -> Plain {
        Plain
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
