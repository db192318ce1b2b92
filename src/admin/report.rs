//! What the collector's endpoints need to know about it.

use std::sync::Arc;

use serde::Serialize;

use crate::component::ExporterStatus;
use crate::kubernetes::KubernetesStatus;

/// Asks the running collector how it is. Called per request; must not block for long.
pub type StatusSource = Arc<dyn Fn() -> Report + Send + Sync>;

/// Where the collector is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Its gadgets are being loaded.
    #[default]
    Starting,
    /// It runs.
    Running,
    /// It drains its queues.
    Stopping,
}

/// The state of the whole collector at one moment.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Where it is in its life.
    pub phase: Phase,
    /// Every configured gadget.
    pub gadgets: Vec<GadgetHealth>,
    /// Every configured exporter.
    pub exporters: Vec<ExporterHealth>,
    /// Every configured container runtime.
    pub runtimes: Vec<RuntimeHealth>,
    /// The containers that are known.
    pub containers: Containers,
    /// How it stands with the Kubernetes API server, when it is asked.
    pub kubernetes: Option<KubernetesStatus>,
    /// Reloads of the configuration.
    pub reloads: Reloads,
}

/// One gadget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GadgetHealth {
    /// Its name in the configuration.
    pub name: String,
    /// What it does.
    pub state: GadgetState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a gadget does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GadgetState {
    /// It is being loaded.
    Starting,
    /// It collects.
    Running,
    /// It came to its own end, e.g. an iterator that was to be read once.
    Ended,
    /// It does not collect although it should.
    Failed,
}

/// One exporter.
#[derive(Debug, Clone, PartialEq)]
pub struct ExporterHealth {
    /// Its id, `type` or `type/name`.
    pub id: String,
    /// How it is doing.
    pub status: ExporterStatus,
}

/// One container runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuntimeHealth {
    /// For instance `docker`.
    pub name: String,
    /// Path of its socket.
    pub socket: String,
    /// Whether events arrive.
    pub connected: bool,
    /// How it is doing.
    pub state: RuntimeState,
    /// Why it cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it is doing so, in seconds since the Unix epoch.
    pub since_unix_seconds: u64,
}

/// How a container runtime is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeState {
    /// It is asked for the first time.
    Connecting,
    /// Its events arrive.
    Connected,
    /// It cannot be reached; tried again and again.
    Waiting,
}

/// The containers that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Containers {
    /// That run.
    pub running: u64,
    /// That are kept in mind: running, stopped, over since a short time.
    pub kept: u64,
    /// That were not taken in since the start because too many were there.
    pub refused: u64,
    /// Look-ups of namespaces and processes that nobody had told of and that led to a container.
    pub found: u64,
    /// Those that led to none.
    pub not_found: u64,
    /// What the kernel's watcher saw and could not tell, because too much came at once.
    pub missed: u64,
}

/// Reloads of the configuration since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reloads {
    /// Applied.
    pub succeeded: u64,
    /// Refused; the old configuration went on.
    pub failed: u64,
    /// When the last one ended, in seconds since the Unix epoch; the start counts as the first.
    pub last_unix_seconds: f64,
    /// Whether the last one was applied.
    pub last_succeeded: bool,
}

/// The verdict on a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// All is well.
    Ok,
    /// It collects, but an exporter's destination cannot be reached, or a reload was refused. Restarting would not help.
    Degraded,
    /// A gadget does not collect.
    Failing,
    /// Not yet.
    Starting,
    /// Not any more.
    Stopping,
}

impl Report {
    /// The verdict.
    pub fn health(&self) -> Health {
        match self.phase {
            Phase::Starting => Health::Starting,
            Phase::Stopping => Health::Stopping,
            Phase::Running if self.gadgets.iter().any(|g| g.state == GadgetState::Failed) => Health::Failing,
            Phase::Running if self.degraded() => Health::Degraded,
            Phase::Running => Health::Ok,
        }
    }

    /// A runtime that is not there is shown but is no fault: many machines have none, and names are all that is missing.
    fn degraded(&self) -> bool {
        let refused = self.reloads.failed > 0 && !self.reloads.last_succeeded;
        refused || self.exporters.iter().any(|e| e.status.failing.is_some())
    }
}
