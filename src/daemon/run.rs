//! From a configuration file to an ordered shutdown.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::DaemonError;
use super::overview::{Observer, Overview};
use super::running::Running;
use super::{services, watch};
use crate::config::{self, Plan};
use crate::container::Inventory;
use crate::exporter::listeners::Listeners;
use crate::pipeline::Context;
use crate::telemetry::Ledger;

/// What `collect` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
}

/// Runs the collector until SIGINT or SIGTERM.
///
/// # Errors
/// When the first configuration cannot be applied. Later ones are reported to the observer and change nothing.
pub async fn run(options: &Options, observer: &mut dyn Observer) -> Result<(), DaemonError> {
    let plan = config::load(&options.config).map_err(DaemonError::Config)?;
    let mut signals = Signals::new()?;
    let cancel = CancellationToken::new();
    let _cancel_at_end = cancel.clone().drop_guard();
    let mut daemon = Daemon::start(plan, &cancel).await?;
    observer.started(&daemon.overview());
    let result = daemon.serve(options, &mut signals, observer).await;
    observer.stopping();
    daemon.running.stop().await;
    daemon.services.stop().await;
    observer.stopped(&daemon.overview());
    result
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, DaemonError> {
        let watch = |kind| signal(kind).map_err(|source| DaemonError::System { doing: "watch for signals".to_owned(), source });
        Ok(Signals { interrupt: watch(SignalKind::interrupt())?, terminate: watch(SignalKind::terminate())?, hangup: watch(SignalKind::hangup())? })
    }
}

struct Daemon {
    running: Running,
    services: services::Services,
    ledger: Arc<Ledger>,
    health: Arc<Mutex<Overview>>,
}

impl Daemon {
    async fn start(plan: Plan, cancel: &CancellationToken) -> Result<Self, DaemonError> {
        let inventory = Inventory::new();
        let ledger = Arc::new(Ledger::default());
        let listeners = Arc::new(Listeners::default());
        let context = Context { inventory: inventory.clone(), ledger: ledger.clone(), runtime: tokio::runtime::Handle::current() };
        let mut services = services::Services::start(&plan, &inventory, &ledger, &listeners, cancel)?;
        let resource = Arc::new(services::resource());
        let mut running = Running::new(context, listeners, resource);
        if let Err(error) = running.apply(plan).await {
            running.stop().await;
            services.stop().await;
            return Err(error);
        }
        crate::kernel::memory::trim();
        let health = services.health();
        let daemon = Daemon { running, services, ledger, health };
        daemon.publish();
        Ok(daemon)
    }

    async fn serve(&mut self, options: &Options, signals: &mut Signals, observer: &mut dyn Observer) -> Result<(), DaemonError> {
        let (changes, mut changed) = mpsc::channel(1);
        let mut watcher = watch::watch(&self.running.plan().watched, changes.clone());
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.hangup.recv() => {
                    self.running.reopen();
                    self.reload(options, observer).await;
                    watcher = watch::watch(&self.running.plan().watched, changes.clone());
                }
                Some(()) = changed.recv() => {
                    self.reload(options, observer).await;
                    watcher = watch::watch(&self.running.plan().watched, changes.clone());
                }
                _ = tick.tick() => {
                    self.publish();
                    observer.tick(&self.overview());
                }
            }
            let _ = &watcher;
        }
    }

    async fn reload(&mut self, options: &Options, observer: &mut dyn Observer) {
        let path = options.config.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
        let result = match loaded {
            Ok(Ok(plan)) => self.running.apply(plan).await,
            Ok(Err(errors)) => Err(DaemonError::Config(errors)),
            Err(error) => Err(DaemonError::System { doing: "read the configuration".to_owned(), source: error.into() }),
        };
        self.services.reloaded(result.is_ok());
        crate::kernel::memory::trim();
        self.publish();
        observer.reloaded(result.as_ref());
    }

    fn overview(&self) -> Overview {
        Overview {
            at: Instant::now(),
            gadgets: self.running.gadgets(),
            totals: self.ledger.totals(),
            exporters: self.running.exporters(),
            runtimes: self.services.runtimes(),
            telemetry: self.running.plan().service.telemetry,
            health: self.running.plan().service.health,
        }
    }

    /// Puts the current state where the health and metrics pages read it.
    fn publish(&self) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = self.overview();
    }
}
