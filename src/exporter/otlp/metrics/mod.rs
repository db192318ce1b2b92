//! Metrics: every interval the state of all series goes out as cumulative OTLP metrics.
//!
//! Rows count as delivered when they are absorbed, since the state that holds them survives a failed push: the next one carries it.
//! What a stopped gadget counted goes out once more before it is forgotten.

mod convert;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::component::ComponentId;
use crate::exporter::sender::{Outcome, Transport};
use crate::exporter::series::{Family, SeriesSet};
use crate::kernel::clock;

/// One gadget's series, shared by its worker and the pusher.
pub(super) struct Series {
    pub(super) set: Mutex<SeriesSet>,
    ended: AtomicBool,
}

impl Series {
    /// The gadget will add nothing more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// Pushes the series of all gadgets of one exporter. Clones are handles to the same.
#[derive(Clone)]
pub(super) struct Pusher {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

pub(super) struct PusherSettings {
    pub(super) id: ComponentId,
    pub(super) interval: Duration,
    /// Zero for no limit.
    pub(super) timeout: Duration,
    pub(super) resource: Arc<Vec<(String, String)>>,
}

struct Shared {
    settings: PusherSettings,
    transport: Arc<dyn Transport>,
    series: Mutex<Vec<Arc<Series>>>,
    failing: Mutex<Option<String>>,
    stop: CancellationToken,
}

impl Pusher {
    pub(super) fn spawn(settings: PusherSettings, transport: Arc<dyn Transport>, runtime: &tokio::runtime::Handle) -> Self {
        let shared = Shared { settings, transport, series: Mutex::default(), failing: Mutex::default(), stop: CancellationToken::new() };
        let shared = Arc::new(shared);
        let tasks = TaskTracker::new();
        tasks.spawn_on(run(shared.clone()), runtime);
        tasks.close();
        Pusher { shared, tasks }
    }

    /// From now on `set` is pushed too.
    pub(super) fn add(&self, set: SeriesSet) -> Arc<Series> {
        let series = Arc::new(Series { set: Mutex::new(set), ended: AtomicBool::new(false) });
        self.shared.series.lock().unwrap_or_else(PoisonError::into_inner).push(series.clone());
        series
    }

    /// The last failure, until a push succeeds.
    pub(super) fn failing(&self) -> Option<String> {
        self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pushes a last time, for at most `deadline`.
    pub(super) async fn stop(&self, deadline: Duration) {
        self.shared.stop.cancel();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            tracing::error!(exporter = %self.shared.settings.id, "the last metrics were not delivered in time");
        }
    }
}

async fn run(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(shared.settings.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    ticks.tick().await;
    loop {
        let stopping = tokio::select! {
            _ = ticks.tick() => false,
            () = shared.stop.cancelled() => true,
        };
        let delivered = shared.push().await;
        if stopping {
            if !delivered {
                tracing::error!(exporter = %shared.settings.id, "the last metrics were not delivered");
            }
            return;
        }
    }
}

impl Shared {
    /// Pushes everything; says whether the receiver has it all.
    async fn push(&self) -> bool {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Read before the values, so that an end is only acted upon when they are the last.
        let ended: Vec<_> = series.iter().filter(|s| s.ended.load(Ordering::Acquire)).cloned().collect();
        let families: Vec<Family> = series.iter().flat_map(|s| s.set.lock().unwrap_or_else(PoisonError::into_inner).snapshot()).collect();
        let mut done = true;
        for request in convert::requests(families, &self.settings.resource, clock::unix_now()) {
            done &= self.send(request).await;
        }
        if done && !ended.is_empty() {
            let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|s| ended.iter().all(|e| !Arc::ptr_eq(s, e)));
        }
        done
    }

    /// One request; says whether the receiver will not need it again.
    async fn send(&self, request: Vec<u8>) -> bool {
        let body = self.transport.prepare(request);
        let limit = self.settings.timeout;
        let sent = self.transport.send(body);
        let outcome = match limit.is_zero() {
            true => sent.await,
            false => tokio::time::timeout(limit, sent)
                .await
                .unwrap_or_else(|_| Outcome::Retry { after: None, message: format!("no answer within {limit:?}") }),
        };
        let exporter = &self.settings.id;
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Delivered => *failing = None,
            Outcome::Partial { rejected, message } => {
                tracing::error!(%exporter, points = rejected, error = message, "receiver refused data points");
                *failing = Some(message);
            }
            Outcome::Refused { message } => {
                tracing::error!(%exporter, error = message, "receiver refused metrics");
                *failing = Some(message);
            }
            Outcome::Retry { message, .. } => {
                if failing.is_none() {
                    tracing::warn!(%exporter, error = message, "cannot push metrics, the next push carries them");
                }
                *failing = Some(message);
                return false;
            }
        }
        true
    }
}
