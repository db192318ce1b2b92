//! The configuration as the user writes it: these types are the YAML's keys, and `config/schema.json` comes from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::environment::Environment;
use super::kubernetes::{self, KubernetesConfig};
use super::parse;
use super::runtimes::{self, RuntimesConfig};
use crate::component::{ComponentId, MetricSpec};
use crate::container::Selector;
use crate::exporter::sender::units;
use crate::image::Pull;

/// The keys of the top level.
pub const SECTIONS: &[&str] = &["version", "gadgets", "include", "exporters", "service", "runtimes", "kubernetes", "images"];

/// What holds where neither a file nor the environment says otherwise.
pub fn defaults(environment: &Environment) -> Value {
    json!({
        "gadgets": [],
        "include": [],
        "exporters": {},
        "service": {
            "shutdown_timeout": "10s",
            "telemetry": {"endpoint": "127.0.0.1:8888", "logs": {"level": "info", "encoding": "console"}},
        },
        "runtimes": runtimes::defaults(environment),
        "kubernetes": kubernetes::defaults(),
        "images": {"pull": "missing", "verify": {"enabled": true}},
    })
}

/// A gadgetry configuration: which gadgets run, what happens to their events, and where they go.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gadgetry configuration")]
pub struct CollectorConfig {
    /// Version of this format: `v1`.
    pub version: Version,
    /// The gadgets to run.
    #[serde(default)]
    pub gadgets: Vec<GadgetConfig>,
    /// More files with gadgets and exporters, relative to this one; `*` and `?` in the last part of a path.
    #[serde(default)]
    pub include: Vec<String>,
    /// Where events can go: settings by component id, `type` or `type/name`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub exporters: BTreeMap<ComponentId, Option<Value>>,
    /// The collector itself.
    #[serde(default)]
    pub service: ServiceConfig,
    /// Where containers are found.
    #[serde(default)]
    pub runtimes: RuntimesConfig,
    /// Where names of Kubernetes come from, beside the runtimes.
    #[serde(default)]
    pub kubernetes: KubernetesConfig,
    /// Where gadget images come from, and which may run.
    #[serde(default)]
    pub images: ImagesConfig,
}

/// Version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// The first.
    V1,
}

/// One gadget to run.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GadgetConfig {
    /// Unique name of this instance; a reload tells gadgets apart by it.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"))]
    #[schemars(extend("x-expected" = "1 to 63 letters, digits, \".\", \"_\" or \"-\", a letter or digit first"))]
    pub name: String,
    /// The gadget image, e.g. `trace_exec`.
    #[schemars(length(min = 1))]
    pub image: String,
    /// When its image is pulled; what `images.pull` says when left out.
    #[serde(default)]
    pub pull: Option<Pull>,
    /// Parameters of the gadget itself, by their key.
    #[serde(default)]
    #[schemars(schema_with = "params_schema")]
    pub params: BTreeMap<String, String>,
    /// How much the kernel holds for this gadget until it is read, per tracer (per tracer and CPU on kernels without ring buffers):
    /// a size from 4KiB to 512MiB, rounded up to a power of two. It is the kernel's memory, taken at the start. When left out: what the
    /// gadget declares, or what 100000 of its records take if that is more, up to 64MiB and a 128th of the machine's memory.
    #[serde(default, deserialize_with = "optional_size")]
    #[schemars(schema_with = "buffer_schema")]
    pub buffer: Option<u64>,
    /// The containers whose events are wanted; everything when left out. Filtered in the kernel.
    #[serde(default)]
    pub containers: Selector,
    /// What happens to the events, in this order: one operator per item.
    #[serde(default)]
    #[schemars(schema_with = "operators_schema")]
    pub operators: Vec<BTreeMap<String, Value>>,
    /// Metrics to be made of the events.
    #[serde(default)]
    pub metrics: Vec<MetricSpec>,
    /// Ids of the exporters that get the events.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub exporters: Vec<ComponentId>,
}

/// The collector itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Answers whether the collector is healthy, over HTTP. Off unless given.
    #[serde(default)]
    pub health: Option<EndpointConfig>,
    /// What the collector tells about itself.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// How long a stop may take to deliver what is queued.
    #[serde(default)]
    #[schemars(extend("x-format" = "duration", "default" = "10s"))]
    pub shutdown_timeout: Option<String>,
    /// What gadgets learn about the processes behind sockets.
    #[serde(default)]
    pub socket_enricher: SocketEnricherConfig,
}

/// What gadgets learn about the processes behind sockets, beside their ids and names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocketEnricherConfig {
    /// Paths that are kept for each socket, as `name` or `name=size`: `cwd`, the working directory, and `exepath`, the executable; the size
    /// in bytes is a power of two up to 4096 (512 when left out). Memory for 16384 sockets is taken from the first gadget on that asks.
    #[serde(default)]
    #[schemars(schema_with = "socket_fields_schema")]
    pub fields: Option<Vec<String>>,
}

/// A socket to listen on.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// Address and port.
    #[schemars(extend("x-format" = "listen-address"))]
    pub endpoint: String,
}

/// What the collector tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Address and port of the collector's own metrics; the empty text turns them off.
    #[serde(default)]
    #[schemars(extend("x-format" = "listen-address-or-empty", "default" = "127.0.0.1:8888"))]
    pub endpoint: Option<String>,
    /// The collector's own log.
    #[serde(default)]
    pub logs: LogsConfig,
    /// Sends the collector's own traces and metrics over OTLP. Off unless given.
    #[serde(default)]
    pub otlp: Option<OwnTelemetryConfig>,
}

/// The collector's own log.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogsConfig {
    /// The least severe messages that are shown.
    #[serde(default)]
    #[schemars(extend("default" = "info"))]
    pub level: Option<LogLevel>,
    /// How they are written.
    #[serde(default)]
    #[schemars(extend("default" = "console"))]
    pub encoding: Option<LogEncoding>,
}

/// Severity of log messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// As a log filter spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// Form of log messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogEncoding {
    /// Lines for people.
    #[default]
    Console,
    /// A JSON object per line.
    Json,
}

/// Where the collector's own traces and metrics go.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnTelemetryConfig {
    /// URL of the receiver, e.g. `http://127.0.0.1:4317`.
    #[schemars(extend("x-format" = "http-url"))]
    pub endpoint: String,
    /// How it is spoken to.
    #[serde(default)]
    #[schemars(extend("default" = "grpc"))]
    pub protocol: OwnProtocol,
    /// Headers of every request.
    #[serde(default)]
    #[schemars(schema_with = "params_schema")]
    pub headers: BTreeMap<String, String>,
    /// How often metrics are sent.
    #[serde(default)]
    #[schemars(extend("x-format" = "duration", "default" = "60s"))]
    pub interval: Option<String>,
}

/// Protocol of the collector's own telemetry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum OwnProtocol {
    /// OTLP over gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// OTLP over HTTP with protobuf bodies.
    #[serde(rename = "http/protobuf")]
    Http,
}

/// Where gadget images come from, and which may run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImagesConfig {
    /// When images are pulled: `always` (at each start and reload), `missing` (when they are not on this machine) or `never`. What is built into
    /// the program is pulled only where a gadget itself says `always`.
    #[serde(default)]
    #[schemars(extend("default" = "missing"))]
    pub pull: Option<Pull>,
    /// Whether an image that would have to be pulled is an error.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub disallow_pulling: Option<bool>,
    /// The registry of names without one, as `host[:port]`.
    #[serde(default)]
    #[schemars(extend("default" = "ghcr.io"))]
    pub default_registry: Option<String>,
    /// What stands in front of names without a slash in that registry. Nothing by default when another registry is given.
    #[serde(default)]
    #[schemars(extend("default" = "inspektor-gadget/gadget"))]
    pub default_repository: Option<String>,
    /// Registries that are asked in the place of another one, in this order, before it: by its `host[:port]`, each as `host[:port][/prefix]`.
    #[serde(default)]
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Registries (`host[:port]`) that are spoken to without TLS. They are never told credentials.
    #[serde(default)]
    pub insecure_registries: Vec<String>,
    /// The file with credentials, in the format of Docker's `config.json`; when left out that of `REGISTRY_AUTH_FILE`, else `config.json` in
    /// the data directory, else Docker's.
    #[serde(default)]
    pub authfile: Option<String>,
    /// A folder of certificates: `*.crt` (authorities), `*.cert` and `*.key` (our own), or folders `host[:port]` with such files.
    #[serde(default)]
    pub cert_dir: Option<String>,
    /// The gadgets that may run: names, `name@sha256:...`, or the beginning of names, ending in `*`. All when empty.
    #[serde(default)]
    pub allowed: Vec<String>,
    /// Who must have signed images.
    #[serde(default)]
    pub verify: VerifyConfig,
}

/// Who must have signed images. What is built into the program needs no signature.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyConfig {
    /// Whether images must be signed at all.
    #[serde(default)]
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Public keys of which any may have signed (cosign): PEM texts, or files with them. That of the Inspektor Gadget project when left out.
    #[serde(default)]
    pub public_keys: Vec<String>,
    /// Signatures made by notation.
    #[serde(default)]
    pub notation: Option<NotationConfig>,
}

/// Signatures made by notation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotationConfig {
    /// Certificates of the authorities: PEM texts, or files with them.
    #[schemars(length(min = 1))]
    pub certificates: Vec<String>,
    /// The trust policy document: JSON, or a file with it.
    #[schemars(length(min = 1))]
    pub trust_policy: String,
}

fn optional_size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    units::size::deserialize(deserializer).map(Some)
}

fn buffer_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": ["string", "integer"],
        "x-format": "buffer-size",
        "minimum": parse::BUFFER_SIZES.start(),
        "maximum": parse::BUFFER_SIZES.end(),
        "examples": ["4MiB", "64MiB"],
    })
}

fn socket_fields_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": ["array", "null"],
        "items": {"type": "string", "x-format": "socket-field"},
        "default": ["cwd=512", "exepath=512"],
    })
}

/// Texts by key, where numbers and booleans may stand for the text they are written as.
fn params_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean"], "x-text": true},
    })
}

/// Operators by their key; `schema.rs` fills in the kinds.
fn operators_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": {"type": "object", "minProperties": 1, "maxProperties": 1, "x-noun": "operator"},
    })
}
