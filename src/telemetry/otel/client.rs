//! An HTTP client for the SDK's threads: they have no reactor, so each request runs on our runtime.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// Sends on a runtime, whoever asks.
#[derive(Debug)]
pub struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
}

/// An answer to an export is a few bytes; more is not read.
const MAX_ANSWER: usize = 64 * 1024;

impl OnRuntime {
    /// A client whose requests take at most `timeout`.
    ///
    /// # Errors
    /// When the TLS set-up fails.
    pub fn new(runtime: &Handle, timeout: Duration) -> Result<Self, reqwest::Error> {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(timeout).build()?;
        Ok(OnRuntime { client, runtime: runtime.clone() })
    }
}

impl HttpClient for OnRuntime {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let sent = self.runtime.spawn(send(self.client.clone(), request));
        Box::pin(async move { sent.await.map_err(HttpError::from)? })
    }
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.extend(answer.headers().clone());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err("the answer is larger than 64 KiB".into());
        }
    }
    Ok(response.body(body.into())?)
}
