//! What runs beside the gadgets: container runtimes, the collector's own pages, its own telemetry.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::DaemonError;
use super::overview::Overview;
use crate::admin::{self, Containers, ExporterHealth, GadgetHealth, GadgetState, Phase, Reloads, Report, RuntimeHealth, StatusSource};
use crate::config::{OwnProtocol, OwnTelemetry, Plan};
use crate::container::runtime::{self, Followed, RuntimeState, RuntimeStatus};
use crate::container::sighting::Wanted;
use crate::container::{Inventory, InventoryStats};
use crate::exporter::listeners::Listeners;
use crate::kernel::clock;
use crate::kubernetes;
use crate::loader::containers;
use crate::telemetry::{Ledger, logging::Logging, otel};

/// The running services. A reload changes which runtimes are followed; all other settings hold for the life of the process.
pub(super) struct Services {
    inventory: Arc<Inventory>,
    followed: Followed,
    kubernetes: Option<kubernetes::Handle>,
    report: Arc<Mutex<Report>>,
    /// Kept open for as long as pages are served from them.
    _sockets: Vec<Arc<TcpListener>>,
    _tasks: Vec<JoinHandle<()>>,
    otel: Option<otel::OwnTelemetry>,
    timeout: Duration,
}

impl Services {
    pub(super) fn start(
        plan: &Plan,
        inventory: &Arc<Inventory>,
        kubernetes: Option<kubernetes::Handle>,
        ledger: &Arc<Ledger>,
        listeners: &Listeners,
        logging: &Logging,
        cancel: &CancellationToken,
    ) -> Result<Self, DaemonError> {
        let report = Arc::new(Mutex::new(Report::default()));
        let theirs = report.clone();
        let status: StatusSource = Arc::new(move || theirs.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let mut tasks = Vec::new();
        let mut sockets = Vec::new();
        if let Some(address) = plan.service.telemetry {
            let socket = listen(listeners, address)?;
            let served = admin::serve_telemetry(&socket, ledger.clone(), status.clone(), cancel.clone());
            tasks.push(served.map_err(|source| serving(address, source))?);
            sockets.push(socket);
        }
        if let Some(address) = plan.service.health {
            let socket = listen(listeners, address)?;
            tasks.push(admin::serve_health(&socket, status, cancel.clone()).map_err(|source| serving(address, source))?);
            sockets.push(socket);
        }
        watch_containers(inventory, &plan.runtimes, cancel);
        let followed = Followed::new(inventory, &plan.runtimes, cancel);
        let otel = plan.service.otlp.as_ref().and_then(|settings| own_telemetry(settings, ledger, logging));
        let timeout = plan.service.shutdown_timeout;
        Ok(Services { inventory: inventory.clone(), followed, kubernetes, report, _sockets: sockets, _tasks: tasks, otel, timeout })
    }

    /// Follows other runtimes, when others are wanted.
    pub(super) async fn follow(&mut self, wanted: &runtime::Settings) {
        self.followed.change(wanted).await;
    }

    /// Name of each container runtime, and of Kubernetes, and where it is.
    pub(super) fn runtimes(&self) -> Vec<(String, String)> {
        let place = |r: &RuntimeStatus| match &r.state {
            RuntimeState::Connecting => format!("{} (connecting)", r.socket.display()),
            RuntimeState::Connected => r.socket.display().to_string(),
            RuntimeState::Waiting(why) => format!("{} (waiting for it: {why})", r.socket.display()),
        };
        let kubernetes = self.kubernetes.iter().map(|k| ("kubernetes".to_owned(), k.status().to_string()));
        self.inventory.runtimes().iter().map(|r| (r.name.to_owned(), place(r))).chain(kubernetes).collect()
    }

    /// Counts a reload.
    pub(super) fn reloaded(&self, applied: bool) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let Reloads { succeeded, failed, last_unix_seconds, last_succeeded } = &mut report.reloads;
        *(if applied { succeeded } else { failed }) += 1;
        *last_succeeded = applied;
        *last_unix_seconds = clock::unix_now() as f64 / 1e9;
    }

    /// Puts the current state where the pages read it.
    pub(super) fn publish(&self, overview: &Overview, phase: Phase) {
        let gadgets = overview.gadgets.iter().map(|g| GadgetHealth {
            name: g.name.clone(),
            state: if g.running { GadgetState::Running } else { GadgetState::Failed },
            error: (!g.running).then(|| "its worker ended".to_owned()),
        });
        let exporters = overview.exporters.iter().map(|(id, status)| ExporterHealth { id: id.clone(), status: status.clone() });
        let stats = self.inventory.stats();
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        *report = Report {
            phase,
            gadgets: gadgets.collect(),
            exporters: exporters.collect(),
            runtimes: self.inventory.runtimes().iter().map(runtime_health).collect(),
            containers: known(stats),
            kubernetes: self.kubernetes.as_ref().map(kubernetes::Handle::status),
            reloads: report.reloads,
        };
    }

    pub(super) async fn stop(&mut self) {
        if let Some(otel) = self.otel.take() {
            otel.shutdown(self.timeout).await;
        }
    }
}

/// Has the kernel tell of containers. Without that they are known a little later, and those that live some milliseconds not at all.
pub(super) fn watch_containers(inventory: &Arc<Inventory>, settings: &runtime::Settings, cancel: &CancellationToken) {
    let wanted = Wanted { oci: settings.oci, systemd: settings.systemd };
    if let Err(error) = containers::watch(inventory, wanted, cancel) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the kernel cannot be watched for containers, those that end at once may stay unnamed");
    }
}

fn known(stats: InventoryStats) -> Containers {
    Containers {
        running: stats.running as u64,
        kept: stats.kept as u64,
        refused: stats.refused,
        found: stats.resolved,
        not_found: stats.unresolved,
        missed: stats.missed,
    }
}

fn runtime_health(status: &RuntimeStatus) -> RuntimeHealth {
    let (state, reason) = match &status.state {
        RuntimeState::Connecting => (admin::RuntimeState::Connecting, None),
        RuntimeState::Connected => (admin::RuntimeState::Connected, None),
        RuntimeState::Waiting(reason) => (admin::RuntimeState::Waiting, Some(reason.clone())),
    };
    RuntimeHealth {
        name: status.name.to_owned(),
        socket: status.socket.display().to_string(),
        connected: status.state == RuntimeState::Connected,
        state,
        reason,
        since_unix_seconds: status.since_s,
    }
}

fn listen(listeners: &Listeners, address: SocketAddr) -> Result<Arc<TcpListener>, DaemonError> {
    listeners.listen(address).map_err(|source| serving(address, source))
}

fn serving(address: SocketAddr, source: std::io::Error) -> DaemonError {
    DaemonError::System { doing: format!("listen on {address}"), source }
}

/// Own telemetry that cannot be set up is reported and left out: it must not keep the gadgets from running.
fn own_telemetry(settings: &OwnTelemetry, ledger: &Arc<Ledger>, logging: &Logging) -> Option<otel::OwnTelemetry> {
    let settings = otel::Settings {
        endpoint: settings.endpoint.clone(),
        protocol: match settings.protocol {
            OwnProtocol::Grpc => otel::Protocol::Grpc,
            OwnProtocol::Http => otel::Protocol::HttpProtobuf,
        },
        headers: settings.headers.clone(),
        interval: settings.interval,
        resource: resource(),
    };
    let started = otel::start(&settings, ledger, Some(logging), &tokio::runtime::Handle::current());
    started.inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "own telemetry is off")).ok()
}

/// Resource attributes of the collector: `OTEL_RESOURCE_ATTRIBUTES`, with `service.name` and `host.name` of its own where those say nothing.
///
/// Source: OpenTelemetry specification, resource SDK, "Specifying resource information via an environment variable".
pub(super) fn resource() -> Vec<(String, String)> {
    let text = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let mut all: Vec<(String, String)> = pairs.map(|(key, value)| (key.trim().to_owned(), percent_decoded(value.trim()))).collect();
    if let Some(name) = std::env::var("OTEL_SERVICE_NAME").ok().filter(|n| !n.is_empty()) {
        all.retain(|(key, _)| key != "service.name");
        all.push(("service.name".to_owned(), name));
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let defaults = [("service.name", env!("CARGO_PKG_NAME")), ("service.version", env!("CARGO_PKG_VERSION")), ("host.name", host.trim())];
    for (key, value) in defaults {
        if !value.is_empty() && !all.iter().any(|(k, _)| k == key) {
            all.push((key.to_owned(), value.to_owned()));
        }
    }
    all
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or(&[]);
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
