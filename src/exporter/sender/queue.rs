//! The bounded queue: chunks are appended to an open request, which leaves when it is large or old enough.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Chunk;
use super::account::{Account, Verdict};
use super::settings::{QueueSettings, Sizer};
use crate::telemetry::DropReason;

/// A request is closed at this size whatever the settings say: far below the 4 MiB that receivers take by default.
const MAX_BYTES: usize = 1 << 20;
/// Chunks of this size keep the lock short and the copies cheap.
const CHUNK_BYTES: usize = 64 << 10;
/// Buffers kept for the next requests.
const SPARE: usize = 2;

/// A request under construction or on its way.
pub(super) struct Request {
    /// Its bytes.
    pub(super) body: Vec<u8>,
    /// Whose records they are.
    pub(super) account: Account,
    records: u64,
    cost: u64,
    bytes: u64,
    opened: Instant,
}

/// What a consumer should do next.
pub(super) enum Next {
    /// Deliver this.
    Request(Request),
    /// Wait for a change, or until then.
    Wait(Option<Instant>),
    /// There will never be more.
    Ended,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Request>,
    open: Option<Request>,
    /// In the unit of the sizer, requests under way included.
    used: u64,
    bytes: u64,
    spare: Vec<Vec<u8>>,
}

/// When a request is large enough to leave, and when too large to grow.
#[derive(Clone, Copy)]
struct Limits {
    min_records: u64,
    max_records: u64,
    min_bytes: usize,
    max_bytes: usize,
}

pub(super) struct Queue {
    state: Mutex<State>,
    notify: Notify,
    closed: CancellationToken,
    sizer: Sizer,
    capacity: u64,
    limits: Limits,
    flush_timeout: Duration,
}

impl Queue {
    pub(super) fn new(settings: &QueueSettings) -> Self {
        let batch = &settings.batch;
        let max = if batch.max_size == 0 { u64::MAX } else { batch.max_size };
        let mut limits = Limits { min_records: u64::MAX, max_records: u64::MAX, min_bytes: MAX_BYTES, max_bytes: MAX_BYTES };
        if batch.sizer == Sizer::Bytes {
            limits.max_bytes = MAX_BYTES.min(usize::try_from(max).unwrap_or(MAX_BYTES));
            limits.min_bytes = limits.max_bytes.min(usize::try_from(batch.min_size).unwrap_or(MAX_BYTES));
        } else {
            limits.max_records = max;
            limits.min_records = max.min(batch.min_size);
        }
        Queue {
            state: Mutex::default(),
            notify: Notify::new(),
            closed: CancellationToken::new(),
            sizer: settings.sizer(),
            capacity: settings.queue_size.amount,
            limits,
            flush_timeout: batch.flush_timeout,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn chunk_limits(&self) -> (usize, u64) {
        let quarter = (self.capacity / 4).max(1);
        let bytes = CHUNK_BYTES.min(self.limits.max_bytes);
        match self.sizer {
            Sizer::Bytes => (bytes.min(usize::try_from(quarter).unwrap_or(bytes)), self.limits.max_records),
            Sizer::Items => (bytes, self.limits.max_records.min(quarter)),
            Sizer::Requests => (bytes, self.limits.max_records),
        }
    }

    /// Copies a chunk into the queue, or says why not.
    pub(super) fn push(&self, chunk: &Chunk<'_>) -> Result<(), DropReason> {
        let cost = match self.sizer {
            Sizer::Bytes => chunk.bytes.len() as u64,
            Sizer::Items => chunk.records,
            Sizer::Requests => 1,
        };
        let mut state = self.lock();
        if self.closed.is_cancelled() {
            return Err(DropReason::Shutdown);
        }
        if state.used.saturating_add(cost) > self.capacity {
            return Err(DropReason::QueueFull);
        }
        state.used += cost;
        state.bytes += chunk.bytes.len() as u64;
        if state.open.as_ref().is_some_and(|open| self.would_overflow(open, chunk)) {
            let full = state.open.take();
            state.ready.extend(full);
        }
        let fresh = state.open.is_none();
        let mut open = state.open.take().unwrap_or_else(|| Request::new(state.spare.pop().unwrap_or_default()));
        open.append(chunk, cost);
        let complete = open.records >= self.limits.min_records || open.body.len() >= self.limits.min_bytes;
        match complete {
            true => state.ready.push_back(open),
            false => state.open = Some(open),
        }
        drop(state);
        // A new open request needs a consumer that watches its age, a complete one a consumer that takes it.
        if fresh || complete {
            self.notify.notify_one();
        }
        Ok(())
    }

    fn would_overflow(&self, open: &Request, chunk: &Chunk<'_>) -> bool {
        let records = open.records.saturating_add(chunk.records);
        records > self.limits.max_records || open.body.len().saturating_add(chunk.bytes.len()) > self.limits.max_bytes
    }

    /// What there is to do at `now`.
    pub(super) fn next(&self, now: Instant) -> Next {
        let mut state = self.lock();
        let closed = self.closed.is_cancelled();
        let due = state.open.as_ref().map(|open| open.opened + self.flush_timeout);
        let taken = state.ready.pop_front().or_else(|| state.open.take_if(|_| closed || due.is_some_and(|due| due <= now)));
        match taken {
            Some(request) => {
                // Whatever else there is needs the eyes of another consumer while this one is busy.
                if state.open.is_some() || !state.ready.is_empty() {
                    self.notify.notify_one();
                }
                Next::Request(request)
            }
            None if closed => Next::Ended,
            None => Next::Wait(due),
        }
    }

    /// Ends when there may be something new to do.
    pub(super) async fn changed(&self) {
        tokio::select! {
            () = self.notify.notified() => {}
            () = self.closed.cancelled() => {}
        }
    }

    /// Books a request's records, gives its room back and keeps its buffer.
    pub(super) fn finish(&self, request: Request, verdict: Verdict, body: Bytes) {
        let Request { account, cost, bytes, .. } = request;
        account.settle(verdict);
        let body = body.is_unique().then(|| Vec::from(body));
        let mut state = self.lock();
        state.used -= cost;
        state.bytes -= bytes;
        if let Some(mut body) = body
            && state.spare.len() < SPARE
        {
            body.clear();
            state.spare.push(body);
        }
    }

    /// Takes nothing more; the open request leaves at once.
    pub(super) fn close(&self) {
        let _state = self.lock();
        self.closed.cancel();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Ends when the queue takes nothing more.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }
}

impl Request {
    fn new(body: Vec<u8>) -> Self {
        Request { body, account: Account::default(), records: 0, cost: 0, bytes: 0, opened: Instant::now() }
    }

    fn append(&mut self, chunk: &Chunk<'_>, cost: u64) {
        self.body.extend_from_slice(chunk.bytes);
        self.account.add(chunk.entry, chunk.records);
        self.records += chunk.records;
        self.bytes += chunk.bytes.len() as u64;
        self.cost += cost;
    }
}
