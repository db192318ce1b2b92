//! A consumer: takes requests out of the queue, one at a time, and sees each to its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::account::Verdict;
use super::queue::{Next, Request};
use super::retry::Backoff;
use super::{Outcome, Shared};
use crate::telemetry::DropReason;

/// Longest back-off while the queue drains before the end.
const DRAIN_INTERVAL: Duration = Duration::from_millis(500);

/// Delivers until the queue is closed and empty.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        match shared.queue.next(Instant::now()) {
            Next::Request(request) => deliver(&shared, request).await,
            Next::Wait(None) => shared.queue.changed().await,
            Next::Wait(Some(due)) => tokio::select! {
                () = shared.queue.changed() => {}
                () = sleep_until(due) => {}
            },
            Next::Ended => return,
        }
    }
}

async fn deliver(shared: &Shared, mut request: Request) {
    let records = request.account.records();
    let body = shared.transport.prepare(std::mem::take(&mut request.body));
    let ended = tokio::select! {
        biased;
        () = shared.abort.cancelled() => (Verdict::Dropped(DropReason::Shutdown), "the time to stop is over".to_owned()),
        ended = attempts(shared, &body) => ended,
    };
    match ended {
        (Verdict::Delivered { rejected: 0 }, _) => shared.worked(),
        (Verdict::Delivered { rejected }, message) => shared.lost(DropReason::Rejected, rejected.min(records), &message),
        (Verdict::Dropped(reason), message) => shared.lost(reason, records, &message),
    }
    shared.queue.finish(request, ended.0, body);
}

/// Tries until there is a verdict, with the words that explain it.
async fn attempts(shared: &Shared, body: &Bytes) -> (Verdict, String) {
    let mut backoff = Backoff::new(&shared.settings.retry);
    loop {
        let (after, message) = match attempt(shared, body.clone()).await {
            Outcome::Delivered => return (Verdict::Delivered { rejected: 0 }, String::new()),
            Outcome::Partial { rejected, message } => return (Verdict::Delivered { rejected }, message),
            Outcome::Refused { message } => return (Verdict::Dropped(DropReason::Rejected), message),
            Outcome::Retry { after, message } => (after, message),
        };
        let Some(wait) = backoff.next(after) else { return (Verdict::Dropped(DropReason::RetriesExhausted), message) };
        shared.failed(&message);
        pause(shared, wait, after.is_some()).await;
    }
}

/// Waits for the next attempt. The time to stop is short, so unless the receiver asked for a pause it cuts the wait.
async fn pause(shared: &Shared, wait: Duration, demanded: bool) {
    if demanded {
        sleep(wait).await;
    } else if shared.queue.is_closed() {
        sleep(wait.min(DRAIN_INTERVAL)).await;
    } else {
        tokio::select! {
            () = sleep(wait) => {}
            () = shared.queue.closed() => {}
        }
    }
}

async fn attempt(shared: &Shared, body: Bytes) -> Outcome {
    let limit = shared.settings.timeout;
    let sent = shared.transport.send(body);
    if limit == Duration::ZERO {
        return sent.await;
    }
    match timeout(limit, sent).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Retry { after: None, message: format!("no answer within {limit:?}") },
    }
}
