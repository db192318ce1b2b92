//! One gadget from its start to its end, without a configuration: what `gadgetry run` does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::DaemonError;
use super::services::watch_containers;
use crate::config::GadgetPlan;
use crate::container::Inventory;
use crate::container::runtime::{self, RuntimeState, RuntimeStatus};
use crate::gadget::Gadget;
use crate::image::Images;
use crate::kubernetes::{self, KubernetesState};
use crate::loader::SocketFields;
use crate::pipeline::{self, Context, Exporters, Instance, Selecting, State};
use crate::telemetry::{GadgetTotals, Ledger};

/// How long the runtimes have for their first listing, so that containers that run already are selected and named from the start.
const FIRST_LISTING: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_secs(1);

/// What is to run.
pub struct Oneshot {
    /// The gadget, configured.
    pub gadget: Gadget,
    /// What is wanted of it.
    pub plan: GadgetPlan,
    /// The exporters that the plan names.
    pub exporters: Exporters,
    /// Where containers are found.
    pub runtimes: runtime::Settings,
    /// Whether and how the Kubernetes API server is asked.
    pub kubernetes: kubernetes::Settings,
    /// What the gadget learns about the processes behind sockets.
    pub sockets: SocketFields,
    /// Where its image came from.
    pub images: Arc<Images>,
    /// Ends it after so long.
    pub timeout: Option<Duration>,
    /// Ends it when cancelled, and when the gadget's output has nowhere to go any more.
    pub cancel: CancellationToken,
}

/// Told how it goes. Called on the task itself: must not block for long.
pub trait Progress {
    /// The runtimes had time for their first listing; nothing is attached yet.
    fn listed(&mut self, runtimes: &[RuntimeStatus]);
    /// The programs are attached.
    fn attached(&mut self);
    /// A second has passed, or everything has ended: the counts of the gadget.
    fn counted(&mut self, totals: &GadgetTotals);
}

/// Runs the gadget until SIGINT, SIGTERM, the timeout, the end of its output, or its own end; then drains it. A second signal ends the
/// process with code 1.
///
/// # Errors
/// When the gadget cannot be started, or its worker ends in a panic.
pub async fn run(oneshot: Oneshot, progress: &mut dyn Progress) -> Result<(), DaemonError> {
    let Oneshot { gadget, plan, exporters, runtimes, kubernetes, sockets, images, timeout, cancel } = oneshot;
    watch_signals(&cancel)?;
    let inventory = Inventory::new();
    let ledger = Arc::new(Ledger::default());
    let services = CancellationToken::new();
    let _services_end = services.clone().drop_guard();
    watch_containers(&inventory, &runtimes, &services);
    runtime::follow(&inventory, &runtimes, &services);
    let kubernetes = kubernetes.wanted().then(|| kubernetes::follow(&inventory, &kubernetes, &services));
    wait_for_listing(&inventory, &runtimes, kubernetes.as_ref(), &cancel).await;
    progress.listed(&inventory.runtimes());
    if cancel.is_cancelled() {
        return Ok(());
    }
    let context = Context { inventory, kubernetes, ledger: ledger.clone(), runtime: tokio::runtime::Handle::current(), sockets, images };
    let name = plan.name.clone();
    let started = tokio::task::spawn_blocking(move || start(gadget, &plan, &exporters, &context)).await;
    let instance = started.map_err(|error| DaemonError::System { doing: "start the gadget".to_owned(), source: error.into() })??;
    crate::kernel::memory::trim();
    progress.attached();
    let totals = || ledger.totals().into_iter().find(|totals| *totals.name == *name);
    let failed = serve(&instance, timeout, &cancel, || totals().iter().for_each(|totals| progress.counted(totals))).await;
    // Detaching and draining block.
    let stopped = tokio::task::spawn_blocking(move || drop(instance)).await;
    stopped.map_err(|error| DaemonError::System { doing: "stop the gadget".to_owned(), source: error.into() })?;
    totals().iter().for_each(|totals| progress.counted(totals));
    match failed {
        true => Err(DaemonError::System { doing: format!("run gadget {name:?}"), source: std::io::Error::other("its worker ended") }),
        false => Ok(()),
    }
}

fn start(gadget: Gadget, plan: &GadgetPlan, exporters: &Exporters, context: &Context) -> Result<Instance, DaemonError> {
    let mut instance = pipeline::assemble(gadget, plan, Selecting::Containers, exporters, context)?;
    instance.attach()?;
    instance.run(0)?;
    Ok(instance)
}

/// Waits for one of the ends; gives whether it was a failure.
async fn serve(instance: &Instance, timeout: Option<Duration>, cancel: &CancellationToken, mut tick: impl FnMut()) -> bool {
    let finished = instance.finished();
    let end = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return false,
            () = finished.cancelled() => return false,
            () = &mut end => return false,
            _ = ticks.tick() => {
                tick();
                if instance.state() == State::Failed {
                    return true;
                }
            }
        }
    }
}

async fn wait_for_listing(
    inventory: &Inventory,
    wanted: &runtime::Settings,
    kubernetes: Option<&kubernetes::Handle>,
    cancel: &CancellationToken,
) {
    let end = Instant::now() + FIRST_LISTING;
    let listing = || {
        let runtimes = inventory.runtimes();
        let kubernetes = kubernetes.is_some_and(|k| k.status().state == KubernetesState::Connecting);
        kubernetes || runtimes.len() < wanted.daemons() || runtimes.iter().any(|r| r.state == RuntimeState::Connecting)
    };
    while listing() && Instant::now() < end && !cancel.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The first signal cancels, the second ends the process.
fn watch_signals(cancel: &CancellationToken) -> Result<(), DaemonError> {
    let watch = |kind| signal(kind).map_err(|source| DaemonError::System { doing: "watch for signals".to_owned(), source });
    let (mut interrupt, mut terminate) = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    let cancel = cancel.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if cancel.is_cancelled() {
                std::process::exit(1);
            }
            cancel.cancel();
        }
    });
    Ok(())
}
