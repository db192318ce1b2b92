//! A unix socket that stops listening to an engine that says too much: bollard itself reads answers of any length.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{Request, StatusCode};
use bollard::{BollardRequest, Docker};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::DockerError;

/// Most bytes of one answer, head included: the listing of several ten thousand containers.
const ANSWER_LIMIT: usize = if cfg!(test) { 1 << 20 } else { 64 << 20 };
/// Most bytes of the event stream that make no event.
pub(super) const EVENT_LIMIT: usize = 1 << 20;

/// Connections kept for the next requests.
const IDLE: usize = 2;

/// What is counted against the limit.
#[derive(Clone)]
pub(super) enum Limit {
    /// The bytes since the last request was written: a connection is used for one after the other.
    Answer,
    /// The bytes since the reader of the events last set this to zero.
    Event(Arc<AtomicUsize>),
}

/// A client for the engine behind `socket`. Connects on the first request.
pub(super) fn client(socket: &Path, limit: Limit, timeout_s: u64) -> Result<Docker, DockerError> {
    let http = Arc::new(http(Connector { socket: socket.to_owned(), limit }));
    let transport = move |request: BollardRequest| -> Pin<Box<dyn Future<Output = _> + Send>> {
        let http = http.clone();
        Box::pin(async move { http.request(request).await.map_err(bollard::errors::Error::from) })
    };
    Docker::connect_with_custom_transport(transport, Some("http://docker"), timeout_s, bollard::API_DEFAULT_VERSION)
        .map_err(|e| DockerError::Api { doing: "set up a client", source: Box::new(e) })
}

/// A client for what bollard does not know, and for what is asked so often that only what is of use should be read.
#[derive(Clone)]
pub(super) struct Plain(Client<Connector, Body>);

impl Plain {
    /// A client for the engine behind `socket`. Connects on the first request.
    pub fn new(socket: &Path) -> Self {
        Plain(http(Connector { socket: socket.to_owned(), limit: Limit::Answer }))
    }

    /// The JSON that is found at `path`; `None` when there is nothing.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> io::Result<Option<T>> {
        let request = Request::get(format!("http://engine{path}")).body(Body::empty()).map_err(io::Error::other)?;
        let response = self.0.request(request).await.map_err(io::Error::other)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(io::Error::other(format!("status {}", response.status())));
        }
        let body = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_LIMIT).await.map_err(io::Error::other)?;
        serde_json::from_slice(&body).map(Some).map_err(io::Error::other)
    }
}

fn http<B: HttpBody + Send>(connector: Connector) -> Client<Connector, B>
where
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE).build(connector)
}

#[derive(Clone)]
struct Connector {
    socket: PathBuf,
    limit: Limit,
}

impl<U> tower_service::Service<U> for Connector {
    type Response = TokioIo<Limited>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: U) -> Self::Future {
        let Connector { socket, limit } = self.clone();
        Box::pin(async move { Ok(TokioIo::new(Limited { stream: UnixStream::connect(socket).await?, limit, count: 0 })) })
    }
}

struct Limited {
    stream: UnixStream,
    limit: Limit,
    count: usize,
}

impl Limited {
    fn count(&mut self, read: usize) -> io::Result<()> {
        let (count, most) = match &self.limit {
            Limit::Answer => {
                self.count += read;
                (self.count, ANSWER_LIMIT)
            }
            Limit::Event(count) => (count.fetch_add(read, Ordering::Relaxed) + read, EVENT_LIMIT),
        };
        if count > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("answer longer than {most} bytes")));
        }
        Ok(())
    }
}

impl AsyncRead for Limited {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = result {
            self.count(buffer.filled().len().saturating_sub(before))?;
        }
        result
    }
}

impl AsyncWrite for Limited {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.count = 0;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connection for Limited {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
