//! From a plan to an ordered shutdown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::DaemonError;
use super::overview::{Observer, Overview};
use super::running::Running;
use super::services::{self, Services};
use super::watch::ConfigWatch;
use crate::admin::Phase;
use crate::config::{self, Access, Environment, Plan};
use crate::container::Inventory;
use crate::exporter::listeners::Listeners;
use crate::image::Images;
use crate::kernel::memory;
use crate::kubernetes;
use crate::pipeline::Context;
use crate::telemetry::{Ledger, logging::Logging};

/// What the daemon works on.
pub struct Options<'a> {
    /// The configuration file, to be read again when it changes.
    pub config: PathBuf,
    /// How images are reached when it is read again.
    pub access: Access,
    /// Watches that file since before it was read the first time, so that no change is missed.
    pub watch: ConfigWatch,
    /// The log, to be tapped for the collector's own traces.
    pub logging: &'a Logging,
}

/// Runs `plan` and what the configuration file becomes later, until SIGINT or SIGTERM.
///
/// # Errors
/// When `plan` cannot be applied. Later plans are reported to the observer and change nothing.
pub async fn run(plan: Plan, options: Options<'_>, observer: &mut dyn Observer) -> Result<(), DaemonError> {
    let mut signals = Signals::new()?;
    let cancel = CancellationToken::new();
    let _cancel_at_end = cancel.clone().drop_guard();
    let mut daemon = Daemon::start(plan, options.logging, &cancel).await?;
    observer.started(&daemon.overview());
    daemon.serve(options, &mut signals, observer).await;
    observer.stopping();
    daemon.publish(Phase::Stopping);
    daemon.running.stop().await;
    daemon.services.stop().await;
    observer.stopped(&daemon.overview());
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, DaemonError> {
        let watch = |kind| signal(kind).map_err(|source| DaemonError::System { doing: "watch for signals".to_owned(), source });
        let (interrupt, terminate) = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
        Ok(Signals { interrupt, terminate, hangup: watch(SignalKind::hangup())? })
    }
}

struct Daemon {
    running: Running,
    services: Services,
    ledger: Arc<Ledger>,
}

impl Daemon {
    async fn start(plan: Plan, logging: &Logging, cancel: &CancellationToken) -> Result<Self, DaemonError> {
        if !plan.images.verify {
            tracing::warn!("image verification is off");
        }
        let inventory = Inventory::new();
        let ledger = Arc::new(Ledger::default());
        let listeners = Arc::new(Listeners::default());
        let kubernetes = plan.kubernetes.wanted().then(|| kubernetes::follow(&inventory, &plan.kubernetes, cancel));
        let context = Context {
            inventory: inventory.clone(),
            kubernetes: kubernetes.clone(),
            ledger: ledger.clone(),
            runtime: tokio::runtime::Handle::current(),
            sockets: plan.service.sockets,
            images: Arc::new(Images::new(&plan.images).map_err(DaemonError::Images)?),
        };
        let services = Services::start(&plan, &inventory, kubernetes, &ledger, &listeners, logging, cancel)?;
        let running = Running::new(&plan, context, listeners, Arc::new(services::resource()));
        let mut daemon = Daemon { running, services, ledger };
        if let Err(error) = daemon.running.apply(plan).await {
            daemon.services.stop().await;
            return Err(error);
        }
        // Reading the kernel's types took memory that is not needed again.
        memory::trim();
        daemon.services.reloaded(true);
        daemon.publish(Phase::Running);
        Ok(daemon)
    }

    /// Serves until a signal says to end.
    async fn serve(&mut self, mut options: Options<'_>, signals: &mut Signals, observer: &mut dyn Observer) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = signals.interrupt.recv() => return,
                _ = signals.terminate.recv() => return,
                _ = signals.hangup.recv() => {
                    self.running.reopen();
                    self.reload(&mut options, observer).await;
                }
                () = options.watch.changed() => self.reload(&mut options, observer).await,
                _ = tick.tick() => {
                    self.publish(Phase::Running);
                    observer.tick(&self.overview());
                }
            }
        }
    }

    #[tracing::instrument(name = "reload", skip_all)]
    async fn reload(&mut self, options: &mut Options<'_>, observer: &mut dyn Observer) {
        let (path, access) = (options.config.clone(), options.access.clone());
        let loaded = tokio::task::spawn_blocking(move || config::load(&path, &Environment::of_process(), &access)).await;
        let result = match loaded {
            Ok(Ok(plan)) => {
                options.watch.follow(&plan.watched);
                self.running.apply(plan).await
            }
            Ok(Err(errors)) => {
                options.watch.follow(&errors.watched);
                Err(DaemonError::Config(errors))
            }
            Err(error) => Err(DaemonError::System { doing: "read the configuration".to_owned(), source: error.into() }),
        };
        if result.is_ok() {
            self.services.follow(&self.running.plan().runtimes).await;
        }
        self.services.reloaded(result.is_ok());
        memory::trim();
        self.publish(Phase::Running);
        observer.reloaded(result.as_ref());
    }

    fn overview(&self) -> Overview {
        let service = &self.running.plan().service;
        Overview {
            at: Instant::now(),
            gadgets: self.running.gadgets(),
            totals: self.ledger.totals(),
            exporters: self.running.exporters(),
            runtimes: self.services.runtimes(),
            telemetry: service.telemetry,
            health: service.health,
        }
    }

    fn publish(&self, phase: Phase) {
        self.services.publish(&self.overview(), phase);
    }
}
