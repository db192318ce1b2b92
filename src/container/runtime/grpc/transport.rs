//! One connection to a unix socket, for HTTP/2.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use super::{ANSWER_TIMEOUT, GrpcError};

/// Bytes that may be under way on a stream and on the connection; what they exceed waits in the daemon.
const WINDOW: u32 = 1 << 20;
/// Most bytes of an answer's headers.
const HEADERS: u32 = 16 << 10;

/// Connects. A connection that breaks stays broken: the session is over then.
pub(super) async fn connect(socket: &Path) -> Result<Channel, GrpcError> {
    // The name goes into the `:authority` header, for which Go's servers want something valid.
    let endpoint = Endpoint::from_static("http://localhost")
        .connect_timeout(ANSWER_TIMEOUT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_max_header_list_size(HEADERS);
    let connected = tokio::time::timeout(ANSWER_TIMEOUT, endpoint.connect_with_connector(Once(Some(socket.to_owned())))).await;
    let timeout = |_| GrpcError::Timeout { doing: "connect", limit: ANSWER_TIMEOUT };
    connected.map_err(timeout)?.map_err(|e| GrpcError::Connect(Box::new(e)))
}

/// Connects once: tonic would hide that the daemon was restarted meanwhile.
struct Once(Option<PathBuf>);

impl<U> tower_service::Service<U> for Once {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: U) -> Self::Future {
        let socket = self.0.take();
        Box::pin(async move {
            let socket = socket.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "connection closed"))?;
            Ok(TokioIo::new(UnixStream::connect(socket).await?))
        })
    }
}
