//! Settings of both OTLP exporters under the OpenTelemetry Collector's key names, completed from `OTEL_EXPORTER_OTLP_*`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::env::Environment;
use crate::exporter::SettingError;
use crate::exporter::sender::{QueueSettings, RetrySettings, SenderSettings, units};
use crate::exporter::series;

/// Settings of `otlp_grpc` and `otlp_http`. What is left out comes from `OTEL_EXPORTER_OTLP_LOGS_*` or `_METRICS_*`, then
/// `OTEL_EXPORTER_OTLP_*`, then the default.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to: `http://host:port`, `https://host:port`, or `host:port` (with TLS unless `tls.insecure`).
    /// Over HTTP `/v1/logs` and `/v1/metrics` are appended.
    pub endpoint: Option<String>,
    /// Where logs go instead, taken as it is.
    pub logs_endpoint: Option<String>,
    /// Where metrics go instead, taken as it is.
    pub metrics_endpoint: Option<String>,
    /// Headers sent with each request.
    pub headers: Option<BTreeMap<String, String>>,
    /// Compression of requests; `gzip` if nothing else is said.
    pub compression: Option<Compression>,
    /// Longest time an attempt may take, `10s` if nothing else is said; `0s` for no limit.
    #[serde(deserialize_with = "optional_duration::deserialize")]
    #[schemars(schema_with = "units::duration_schema")]
    pub timeout: Option<Duration>,
    /// Transport security.
    pub tls: TlsSettings,
    /// The queue of log records.
    pub sending_queue: QueueSettings,
    /// Retries of log records. A failed push of metrics is made good by the next one.
    pub retry_on_failure: RetrySettings,
    /// How often metrics are pushed: `10s`, or `OTEL_METRIC_EXPORT_INTERVAL`.
    #[serde(deserialize_with = "optional_duration::deserialize")]
    #[schemars(schema_with = "units::duration_schema")]
    pub metrics_interval: Option<Duration>,
    /// Series that metrics of one gadget with the same attributes may have; what is beyond goes to an overflow series. 2000 if not set.
    pub metrics_max_series: Option<usize>,
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip.
    #[default]
    Gzip,
    /// Not at all.
    #[serde(alias = "")]
    None,
}

/// `tls`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// An endpoint without a scheme is plain text.
    pub insecure: bool,
    /// Not supported: give `ca_file` instead.
    pub insecure_skip_verify: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client's certificate.
    pub cert_file: Option<PathBuf>,
    /// PEM file of the client's key.
    pub key_file: Option<PathBuf>,
    /// Name to expect in the server's certificate (gRPC only).
    pub server_name_override: Option<String>,
}

/// The two signals that leave through an OTLP exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Logs,
    Metrics,
}

/// The two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// Everything about where one signal goes.
#[derive(Clone)]
pub(super) struct Destination {
    /// With scheme; over HTTP with the full path.
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) gzip: bool,
    /// Zero for no limit.
    pub(super) timeout: Duration,
    pub(super) tls: TlsSettings,
}

const TIMEOUT: Duration = Duration::from_secs(10);
const METRICS_INTERVAL: Duration = Duration::from_secs(10);

impl Settings {
    /// Reads settings that fit the schema.
    pub(super) fn parse(value: &serde_json::Value) -> Result<Self, SettingError> {
        // A section that is there but empty is null in YAML.
        let empty = serde_json::Value::Object(serde_json::Map::new());
        let value = if value.is_null() { &empty } else { value };
        Settings::deserialize(value).map_err(|e| SettingError { path: String::new(), message: e.to_string() })
    }

    /// All that is wrong with them.
    pub(super) fn check(&self, protocol: Protocol, env: &Environment<'_>) -> Vec<SettingError> {
        let mut errors = self.sender(Duration::ZERO).check();
        for signal in [Signal::Logs, Signal::Metrics] {
            if let Err(error) = self.destination(signal, protocol, env)
                && !errors.contains(&error)
            {
                errors.push(error);
            }
        }
        if self.tls.insecure_skip_verify {
            errors.push(wrong("tls.insecure_skip_verify", "is not supported: put the server's authority into tls.ca_file"));
        }
        if self.tls.server_name_override.is_some() && protocol == Protocol::Http {
            errors.push(wrong("tls.server_name_override", "is not supported over HTTP"));
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            errors.push(wrong("tls.cert_file", "and tls.key_file need each other"));
        }
        if self.metrics_interval.is_some_and(|i| i < Duration::from_millis(100)) {
            errors.push(wrong("metrics_interval", "must be at least 100ms"));
        }
        if self.metrics_max_series == Some(0) {
            errors.push(wrong("metrics_max_series", "must be greater than 0"));
        }
        errors
    }

    pub(super) fn sender(&self, timeout: Duration) -> SenderSettings {
        SenderSettings { queue: self.sending_queue.clone(), retry: self.retry_on_failure.clone(), timeout }
    }

    pub(super) fn metrics_interval(&self, env: &Environment<'_>) -> Duration {
        let from_env = || env.milliseconds("OTEL_METRIC_EXPORT_INTERVAL").filter(|i| *i >= Duration::from_millis(100));
        self.metrics_interval.or_else(from_env).unwrap_or(METRICS_INTERVAL)
    }

    pub(super) fn max_series(&self) -> usize {
        self.metrics_max_series.unwrap_or(series::DEFAULT_LIMIT)
    }

    /// Where `signal` goes.
    pub(super) fn destination(&self, signal: Signal, protocol: Protocol, env: &Environment<'_>) -> Result<Destination, SettingError> {
        let tls = self.tls(signal, env);
        Ok(Destination {
            uri: self.uri(signal, protocol, tls.insecure, env)?,
            headers: self.headers(signal, env)?,
            gzip: self.compression(signal, env)? == Compression::Gzip,
            timeout: self.timeout.or_else(|| env.milliseconds_for(signal, "TIMEOUT")).unwrap_or(TIMEOUT),
            tls,
        })
    }

    fn uri(&self, signal: Signal, protocol: Protocol, insecure: bool, env: &Environment<'_>) -> Result<Uri, SettingError> {
        let (own_key, own, path, variable) = match signal {
            Signal::Logs => ("logs_endpoint", &self.logs_endpoint, "/v1/logs", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
            Signal::Metrics => ("metrics_endpoint", &self.metrics_endpoint, "/v1/metrics", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        };
        let path = if protocol == Protocol::Http { path } else { "" };
        let found = [
            (own_key, own.clone(), ""),
            ("endpoint", self.endpoint.clone(), path),
            (variable, env.get(variable), ""),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", env.get("OTEL_EXPORTER_OTLP_ENDPOINT"), path),
        ];
        let found = found.into_iter().find_map(|(key, text, path)| text.map(|text| (key, text, path)));
        let (key, text, path) = found.ok_or_else(|| wrong("endpoint", "is missing: say where to send, like http://127.0.0.1:4317"))?;
        let scheme = if insecure { "http" } else { "https" };
        let absolute = if text.contains("://") { text.clone() } else { format!("{scheme}://{text}") };
        let uri: Uri = format!("{}{path}", absolute.trim_end_matches('/'))
            .parse()
            .map_err(|e| wrong(key, &format!("{text:?} is not an endpoint like http://127.0.0.1:4317: {e}")))?;
        // The URL type is stricter about ports.
        match (uri.scheme_str(), reqwest::Url::parse(&uri.to_string())) {
            (Some("http" | "https"), Ok(url)) if url.has_host() => Ok(uri),
            _ => Err(wrong(key, &format!("{text:?} is not an endpoint like http://127.0.0.1:4317"))),
        }
    }

    fn headers(&self, signal: Signal, env: &Environment<'_>) -> Result<HeaderMap, SettingError> {
        let all = match &self.headers {
            Some(headers) => headers.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            None => env.headers(signal),
        };
        let mut map = HeaderMap::new();
        for (name, value) in all {
            let path = format!("headers.{name}");
            let key: HeaderName = name.parse().map_err(|_| wrong(&path, "is not a header name"))?;
            let mut value: HeaderValue = value.parse().map_err(|_| wrong(&path, "has a value that no header can have"))?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        Ok(map)
    }

    fn compression(&self, signal: Signal, env: &Environment<'_>) -> Result<Compression, SettingError> {
        match (self.compression, env.get_for(signal, "COMPRESSION").as_deref()) {
            (Some(compression), _) => Ok(compression),
            (None, None | Some("gzip")) => Ok(Compression::Gzip),
            (None, Some("none")) => Ok(Compression::None),
            (None, Some(other)) => Err(wrong("compression", &format!("OTEL_EXPORTER_OTLP_COMPRESSION is {other:?}, not gzip or none"))),
        }
    }

    fn tls(&self, signal: Signal, env: &Environment<'_>) -> TlsSettings {
        let file = |own: &Option<PathBuf>, key: &str| own.clone().or_else(|| env.get_for(signal, key).map(PathBuf::from));
        let insecure = self.tls.insecure || env.get_for(signal, "INSECURE").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        TlsSettings {
            insecure,
            ca_file: file(&self.tls.ca_file, "CERTIFICATE"),
            cert_file: file(&self.tls.cert_file, "CLIENT_CERTIFICATE"),
            key_file: file(&self.tls.key_file, "CLIENT_KEY"),
            ..self.tls.clone()
        }
    }
}

pub(super) fn wrong(path: &str, message: &str) -> SettingError {
    SettingError { path: path.to_owned(), message: message.to_owned() }
}

mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    use crate::exporter::sender::units;

    #[derive(Deserialize)]
    struct Present(#[serde(with = "units::duration")] Duration);

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Present>::deserialize(deserializer)?.map(|p| p.0))
    }
}
