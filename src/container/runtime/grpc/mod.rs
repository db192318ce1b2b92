//! gRPC over a unix socket, for daemons that are not trusted to answer soon, briefly or at all.

mod codec;
mod error;
#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
mod transport;
pub(super) mod wire;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Streaming};

pub use error::GrpcError;
use wire::{Malformed, Value};

/// How long an answer may take.
pub(super) const ANSWER_TIMEOUT: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(5) };
/// How long a listing may take. containerd asks each of its shims in turn for that of the tasks.
pub(super) const LISTING_TIMEOUT: Duration = if cfg!(test) { Duration::from_secs(1) } else { Duration::from_secs(20) };
/// Most bytes of an answer about one thing.
const ANSWER_LIMIT: usize = 4 << 20;
/// Most bytes of an answer about all things.
const LISTING_LIMIT: usize = if cfg!(test) { 1 << 20 } else { 64 << 20 };
/// Most things in a listing.
pub(super) const ITEM_LIMIT: usize = 100_000;

/// What is asked and how: `question` is the full name of the method, `/package.Service/Method`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// In words, for errors.
    pub doing: &'static str,
    /// Path of the method.
    pub method: &'a str,
    /// Namespace of containerd that is meant; empty for none.
    pub namespace: &'a str,
}

/// Events as they arrive.
pub(super) type Events = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, GrpcError>> + Send>>;

/// A connection to a daemon.
#[derive(Clone)]
pub(super) struct Channel(tonic::transport::Channel);

impl Channel {
    /// Connects to a socket. Whether gRPC is spoken there is seen with the first question.
    pub async fn connect(socket: &Path) -> Result<Self, GrpcError> {
        transport::connect(socket).await.map(Channel)
    }

    /// Asks a question that has one answer about one thing.
    pub async fn ask<M: Message + 'static>(&self, call: Call<'_>, request: M) -> Result<Bytes, GrpcError> {
        within(call.doing, ANSWER_TIMEOUT, self.unary(call, request, ANSWER_LIMIT)).await
    }

    /// Asks for one thing that may not exist: `None` then.
    pub async fn find<M: Message + 'static>(&self, call: Call<'_>, request: M) -> Result<Option<Bytes>, GrpcError> {
        match self.ask(call, request).await {
            Err(error) if error.code() == Some(Code::NotFound) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Asks a question whose answer has many things in its field number 1, each of which is shown to `each`.
    pub async fn list<M: Message + 'static>(
        &self,
        call: Call<'_>,
        request: M,
        mut each: impl FnMut(Value<'_>) -> Result<(), Malformed>,
    ) -> Result<(), GrpcError> {
        let answer = within(call.doing, LISTING_TIMEOUT, self.unary(call, request, LISTING_LIMIT)).await?;
        let mut count = 0;
        items(call.doing, &answer, &mut count, &mut each)
    }

    /// As [`Channel::list`], for an answer that comes in parts.
    pub async fn list_stream<M: Message + 'static>(
        &self,
        call: Call<'_>,
        request: M,
        mut each: impl FnMut(Value<'_>) -> Result<(), Malformed>,
    ) -> Result<(), GrpcError> {
        let all = async {
            let mut parts = self.streaming(call, request).await?;
            let mut count = 0;
            while let Some(part) = parts.message().await.map_err(|status| GrpcError::refused(call.doing, &status))? {
                items(call.doing, &part, &mut count, &mut each)?;
            }
            Ok(())
        };
        within(call.doing, LISTING_TIMEOUT, all).await
    }

    /// Subscribes to events, once the stream is polled for the first time. May be silent for ever.
    pub fn events<M: Message + 'static>(&self, call: Call<'static>, request: M) -> Events {
        let channel = self.clone();
        // Servers send nothing before the first event, not even the headers that the request waits for.
        let stream = async move {
            let events = channel.streaming(call, request).await?;
            Ok(events.map_err(move |status| GrpcError::refused(call.doing, &status)))
        };
        Box::pin(futures::stream::once(stream).try_flatten().fuse())
    }

    async fn unary<M: Message + 'static>(&self, call: Call<'_>, request: M, limit: usize) -> Result<Bytes, GrpcError> {
        let mut client = self.ready(call).await?.max_decoding_message_size(limit);
        let (request, method) = prepare(call, request)?;
        let answer = client.unary(request, method, codec::Raw::default()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| GrpcError::refused(call.doing, &status))
    }

    async fn streaming<M: Message + 'static>(&self, call: Call<'_>, request: M) -> Result<Streaming<Bytes>, GrpcError> {
        let mut client = self.ready(call).await?.max_decoding_message_size(ANSWER_LIMIT);
        let (request, method) = prepare(call, request)?;
        let answer = client.server_streaming(request, method, codec::Raw::default()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| GrpcError::refused(call.doing, &status))
    }

    async fn ready(&self, call: Call<'_>) -> Result<tonic::client::Grpc<tonic::transport::Channel>, GrpcError> {
        let mut client = tonic::client::Grpc::new(self.0.clone());
        client.ready().await.map_err(|e| GrpcError::refused(call.doing, &tonic::Status::from_error(Box::new(e))))?;
        Ok(client)
    }
}

fn prepare<M>(call: Call<'_>, request: M) -> Result<(Request<M>, PathAndQuery), GrpcError> {
    let invalid = || GrpcError::Malformed { doing: call.doing };
    let mut request = Request::new(request);
    if !call.namespace.is_empty() {
        let namespace = AsciiMetadataValue::try_from(call.namespace).map_err(|_| invalid())?;
        request.metadata_mut().insert("containerd-namespace", namespace);
    }
    Ok((request, PathAndQuery::try_from(call.method).map_err(|_| invalid())?))
}

async fn within<T>(doing: &'static str, limit: Duration, answer: impl Future<Output = Result<T, GrpcError>>) -> Result<T, GrpcError> {
    tokio::time::timeout(limit, answer).await.unwrap_or(Err(GrpcError::Timeout { doing, limit }))
}

fn items(
    doing: &'static str,
    message: &[u8],
    count: &mut usize,
    each: &mut impl FnMut(Value<'_>) -> Result<(), Malformed>,
) -> Result<(), GrpcError> {
    for field in wire::Fields(message) {
        let (number, value) = field.map_err(|_| GrpcError::Malformed { doing })?;
        if number != 1 {
            continue;
        }
        *count += 1;
        if *count > ITEM_LIMIT {
            return Err(GrpcError::TooMuch { doing, limit: ITEM_LIMIT, what: "items" });
        }
        each(value).map_err(|_| GrpcError::Malformed { doing })?;
    }
    Ok(())
}
