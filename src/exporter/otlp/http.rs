//! `otlp_http`: OTLP as protobuf in the body of a POST.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Identity, Response, Url};

use super::config::{Destination, Protocol, Settings};
use super::resolve::Resolver;
use super::{answer, env, service, tls};
use crate::component::BoxFuture;
use crate::exporter::sender::{Outcome, Transport};
use crate::exporter::{BuildError, ExporterContext, ExporterKind, SettingError};

/// Row of the table of exporters.
pub const KIND: ExporterKind = ExporterKind {
    name: "otlp_http",
    stability: "beta",
    schema: || schemars::schema_for!(Settings),
    check,
    build: |settings, context: &ExporterContext| service::build(settings, context, Protocol::Http),
};

/// Longest answer that is read; what is said in more than that does not count.
const MAX_ANSWER: usize = 64 << 10;

fn check(settings: &serde_json::Value) -> Vec<SettingError> {
    match Settings::parse(settings) {
        Ok(settings) => settings.check(Protocol::Http, &env::PROCESS),
        Err(error) => vec![error],
    }
}

/// The way to one URL of an HTTP receiver.
pub(super) struct HttpTransport {
    client: Client,
    url: Url,
    headers: HeaderMap,
    gzip: bool,
}

/// Sets up the client; connections are made when requests leave.
///
/// # Errors
/// When the TLS settings do not work.
pub(super) fn transport(destination: &Destination) -> Result<HttpTransport, BuildError> {
    tls::install_provider();
    let url: Url = destination.uri.to_string().parse().map_err(|e| tls::refused(&e))?;
    let mut builder = Client::builder()
        .dns_resolver(Arc::new(Resolver::default()))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("gadgetry/", env!("CARGO_PKG_VERSION")));
    let pem = tls::read(&destination.tls)?;
    if url.scheme() == "http" {
        // Plain text must work where there are no system certificates, which the default would look for.
        builder = builder.tls_certs_only([]);
    } else if let Some(pem) = pem.authorities {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(&pem).map_err(|e| tls::refused(&e))?);
    }
    if let Some((mut certificate, key)) = pem.identity {
        certificate.extend_from_slice(b"\n");
        certificate.extend_from_slice(&key);
        builder = builder.identity(Identity::from_pem(&certificate).map_err(|e| tls::refused(&e))?);
    }
    let mut headers = destination.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if destination.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let client = builder.build().map_err(|e| tls::refused(&e))?;
    Ok(HttpTransport { client, url, headers, gzip: destination.gzip })
}

impl Transport for HttpTransport {
    fn prepare(&self, body: Vec<u8>) -> Bytes {
        if !self.gzip {
            return Bytes::from(body);
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        // Writing to memory does not fail.
        let _ = encoder.write_all(&body);
        Bytes::from(encoder.finish().unwrap_or_default())
    }

    fn send(&self, body: Bytes) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
            match request.send().await {
                Ok(response) => outcome(response).await,
                Err(error) if error.is_builder() => Outcome::Refused { message: answer::chain(&error) },
                Err(error) => Outcome::Retry { after: None, message: answer::chain(&error) },
            }
        })
    }
}

async fn outcome(mut response: Response) -> Outcome {
    let status = response.status();
    if status.is_success()
        && let Some(other) = something_else(response.headers())
    {
        return Outcome::Refused { message: format!("this is no OTLP receiver over HTTP: it answers with {other}") };
    }
    let mut body = Vec::new();
    // A connection that breaks inside the body leaves what was read; the status counts.
    while let Ok(Some(part)) = response.chunk().await {
        body.extend_from_slice(&part);
        if body.len() > MAX_ANSWER {
            body.clear();
            break;
        }
    }
    match status.is_success() {
        true => answer::accepted(&body),
        false => answer::of_http(status, response.headers(), &body),
    }
}

/// What a server must be that takes any request and stores nothing: a success of it would be a lie.
fn something_else(headers: &HeaderMap) -> Option<&str> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let known = ["application/grpc", "text/html"];
    known.iter().any(|k| content_type.starts_with(k)).then_some(content_type)
}
