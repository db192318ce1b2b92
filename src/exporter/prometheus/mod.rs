//! Exporter `prometheus`: gadget metrics to be scraped, as text 0.0.4 or OpenMetrics 1.0.
//!
//! Workers add their batches to [`SeriesSet`]s; a scrape reads them. An event counts as delivered when it is in its series.

mod config;
pub mod exposition;
mod registry;
pub mod server;
#[cfg(test)]
mod tests;
mod translate;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, mem};

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::batch::Batch;
use crate::component::{
    BindError, BoxFuture, ExportError, Exporter, ExporterService, ExporterSource, ExporterStatus, MetricKind, MetricSpec,
};
use crate::exporter::series::SeriesSet;
use crate::exporter::{BuildError, ExporterContext, ExporterKind, Settings};
use crate::telemetry::ExporterEntry;
use config::Config;
use registry::{Registry, SharedSet};

/// The row of this exporter in the table of components.
pub const KIND: ExporterKind =
    ExporterKind { name: "prometheus", stability: "beta", schema: || schemars::schema_for!(Config), check: Config::check, build };

fn build(settings: &serde_json::Value, context: &ExporterContext) -> Result<Arc<dyn ExporterService>, BuildError> {
    let config = Config::sound(settings)?;
    let doing = format!("listen on {}", config.endpoint);
    start(config, context)
        .map(|service| Arc::new(service) as Arc<dyn ExporterService>)
        .map_err(|source| BuildError::System { doing, source })
}

fn start(config: Config, context: &ExporterContext) -> io::Result<Service> {
    let address = resolve(&config.endpoint)?;
    let listener = context.listeners.listen(address)?;
    let address = listener.local_addr()?;
    let open_metrics = config.enable_open_metrics;
    let registry = Arc::new(Registry::new(config, context.resource.clone()));
    let cancel = CancellationToken::new();
    let scraped = registry.clone();
    let router = server::routes(Arc::new(move || scraped.gather()), open_metrics);
    let task = {
        let _runtime = context.runtime.enter();
        server::serve(&listener, router, cancel.clone())?
    };
    let running = Running { listener, cancel: cancel.drop_guard(), task };
    Ok(Service { registry, address, running: Mutex::new(Some(running)) })
}

fn resolve(endpoint: &str) -> io::Result<SocketAddr> {
    let mut addresses = endpoint.to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))
}

struct Running {
    /// Held so that a reload's successor finds the socket open.
    listener: Arc<TcpListener>,
    cancel: DropGuard,
    task: JoinHandle<()>,
}

struct Service {
    registry: Arc<Registry>,
    address: SocketAddr,
    running: Mutex<Option<Running>>,
}

impl ExporterService for Service {
    fn open(&self, mut source: ExporterSource) -> Result<Box<dyn Exporter>, BindError> {
        let limit = self.registry.config().limit;
        let set = match SeriesSet::bind(&source, limit)? {
            Some(set) => set,
            None => {
                source.metrics.push(event_counter(&source));
                let none = || BindError::Invalid("the data source makes no metrics: list some under `metrics`".to_owned());
                SeriesSet::bind(&source, limit)?.ok_or_else(none)?
            }
        };
        let set = self.registry.open(&source.schema.gadget().instance, source.schema.name(), set)?;
        Ok(Box::new(Absorber { set, entry: source.entry, warned: false }))
    }

    fn status(&self) -> ExporterStatus {
        ExporterStatus { destination: format!("http://{}/metrics", self.address), ..ExporterStatus::default() }
    }

    fn stop(&self, deadline: Duration) -> BoxFuture<'_, ()> {
        let running = mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async move {
            let Some(Running { listener, cancel, mut task }) = running else { return };
            drop(cancel);
            if tokio::time::timeout(deadline, &mut task).await.is_err() {
                task.abort();
            }
            drop(listener);
        })
    }
}

/// What a tracer without metrics of its own is worth to Prometheus: how many events there were.
fn event_counter(source: &ExporterSource) -> MetricSpec {
    let gadget = source.schema.gadget();
    let name = if gadget.name.is_empty() { &gadget.instance } else { &gadget.name };
    MetricSpec {
        name: format!("{name}.events"),
        kind: MetricKind::Counter,
        field: None,
        attributes: Vec::new(),
        unit: String::new(),
        description: format!("Events of gadget {name}"),
        boundaries: Vec::new(),
    }
}

/// One gadget's end: adds its batches to its series.
struct Absorber {
    set: SharedSet,
    entry: Arc<ExporterEntry>,
    warned: bool,
}

impl Exporter for Absorber {
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError> {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.absorb(batch);
        let overflowed = set.overflowed() > 0;
        drop(set);
        self.entry.delivered.add(batch.selection().count() as u64);
        if overflowed && !self.warned {
            self.warned = true;
            tracing::warn!(
                gadget = &*self.entry.gadget,
                exporter = &*self.entry.exporter,
                "series limit reached, new series are summed up"
            );
        }
        Ok(())
    }
}
