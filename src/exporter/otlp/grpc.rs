//! `otlp_grpc`: OTLP over gRPC, with requests that are encoded already.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::config::{Destination, Protocol, Settings, Signal};
use super::resolve::Resolver;
use super::{answer, env, service, tls};
use crate::component::BoxFuture;
use crate::exporter::sender::{Outcome, Transport};
use crate::exporter::{BuildError, ExporterContext, ExporterKind, SettingError};

/// Row of the table of exporters.
pub const KIND: ExporterKind = ExporterKind {
    name: "otlp_grpc",
    stability: "beta",
    schema: || schemars::schema_for!(Settings),
    check,
    build: |settings, context: &ExporterContext| service::build(settings, context, Protocol::Grpc),
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(30);

fn check(settings: &serde_json::Value) -> Vec<SettingError> {
    match Settings::parse(settings) {
        Ok(settings) => settings.check(Protocol::Grpc, &env::PROCESS),
        Err(error) => vec![error],
    }
}

/// The way to one service of a gRPC receiver.
pub(super) struct GrpcTransport {
    channel: Channel,
    path: PathAndQuery,
    metadata: MetadataMap,
    gzip: bool,
    timeout: Duration,
}

/// Sets up the connection, which is made when the first request leaves. Must run inside a tokio runtime.
///
/// # Errors
/// When the TLS settings do not work.
pub(super) fn transport(destination: &Destination, signal: Signal) -> Result<GrpcTransport, BuildError> {
    tls::install_provider();
    let mut connector = HttpConnector::new_with_resolver(Resolver::default());
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let mut endpoint = Endpoint::from(destination.uri.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .user_agent(concat!("gadgetry/", env!("CARGO_PKG_VERSION")))
        .map_err(|e| tls::refused(&e))?;
    if destination.uri.scheme_str() == Some("https") {
        endpoint = endpoint.tls_config(client_tls(destination)?).map_err(|e| tls::refused(&e))?;
    }
    Ok(GrpcTransport {
        channel: endpoint.connect_with_connector_lazy(connector),
        path: PathAndQuery::from_static(match signal {
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }),
        metadata: MetadataMap::from_headers(destination.headers.clone()),
        gzip: destination.gzip,
        timeout: destination.timeout,
    })
}

fn client_tls(destination: &Destination) -> Result<ClientTlsConfig, BuildError> {
    let pem = tls::read(&destination.tls)?;
    let mut config = match pem.authorities {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = pem.identity {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    if let Some(name) = &destination.tls.server_name_override {
        config = config.domain_name(name);
    }
    Ok(config)
}

impl GrpcTransport {
    async fn call(&self, body: Bytes) -> Result<Bytes, Status> {
        let mut client = Grpc::new(self.channel.clone()).accept_compressed(CompressionEncoding::Gzip);
        if self.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        client.ready().await.map_err(|e| Status::from_error(Box::new(e)))?;
        let mut request = Request::new(body);
        *request.metadata_mut() = self.metadata.clone();
        if !self.timeout.is_zero() {
            request.set_timeout(self.timeout);
        }
        client.unary(request, self.path.clone(), Raw).await.map(tonic::Response::into_inner)
    }
}

impl Transport for GrpcTransport {
    fn send(&self, body: Bytes) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match self.call(body).await {
                Ok(response) => answer::accepted(&response),
                Err(status) => answer::of_status(&status),
            }
        })
    }
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(item.len());
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
