//! The configuration resolved: what is to run, with every default filled in. Equality decides what a reload keeps.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::model::{LogEncoding, LogLevel, OwnProtocol};
use super::problem::Problem;
use crate::component::{ComponentId, MetricSpec};
use crate::container::{Selector, runtime};
use crate::image::Settings;
use crate::kubernetes;
use crate::loader::SocketFields;

/// All that is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The gadgets, in the order of the configuration. Their names are unique.
    pub gadgets: Vec<GadgetPlan>,
    /// The exporters that some gadget uses, by id.
    pub exporters: Vec<ExporterPlan>,
    /// The collector itself.
    pub service: ServicePlan,
    /// Where containers are found.
    pub runtimes: runtime::Settings,
    /// Whether and how the Kubernetes API server is asked.
    pub kubernetes: kubernetes::Settings,
    /// How images are found, pulled and checked.
    pub images: Settings,
    /// Files that were read, and directories in which more may appear.
    pub watched: Vec<PathBuf>,
    /// What looks wrong though it can run.
    pub warnings: Vec<Problem>,
}

/// One gadget.
#[derive(Debug, Clone, PartialEq)]
pub struct GadgetPlan {
    /// Unique name.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Digest of the image that was checked, which is the one to run; `None` for a folder with an object.
    pub digest: Option<String>,
    /// Parameters by key, as text.
    pub params: BTreeMap<String, String>,
    /// Bytes that the kernel holds for each of its tracers; `None`: what the loader finds fitting.
    pub buffer: Option<u32>,
    /// The containers that are wanted.
    pub containers: Selector,
    /// Operators in the order in which they run.
    pub operators: Vec<OperatorPlan>,
    /// Metrics to make of the events.
    pub metrics: Vec<MetricSpec>,
    /// Ids of the exporters, canonical, each once.
    pub exporters: Vec<ComponentId>,
}

/// One operator of a gadget.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorPlan {
    /// Its kind.
    pub kind: String,
    /// Its settings, which fit its schema.
    pub settings: serde_json::Value,
}

/// One exporter.
#[derive(Debug, Clone, PartialEq)]
pub struct ExporterPlan {
    /// Its id, canonical.
    pub id: ComponentId,
    /// Its settings, which fit its schema.
    pub settings: serde_json::Value,
}

/// The collector itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    /// Where its own metrics are served.
    pub telemetry: Option<SocketAddr>,
    /// Where its health is served.
    pub health: Option<SocketAddr>,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// What gadgets learn about the processes behind sockets.
    pub sockets: SocketFields,
    /// Where its own traces and metrics are sent.
    pub otlp: Option<OwnTelemetry>,
    /// The least severe log messages that are shown.
    pub log_level: LogLevel,
    /// Form of the log.
    pub log_encoding: LogEncoding,
}

/// Where the collector's own traces and metrics are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnTelemetry {
    /// URL of the receiver.
    pub endpoint: String,
    /// Protocol.
    pub protocol: OwnProtocol,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// Time between two sends of metrics.
    pub interval: Duration,
}
