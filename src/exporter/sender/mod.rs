//! Delivery over the network: a bounded queue, coalescing, attempts with a timeout, retries, and an account of every record.
//!
//! Workers hand encoded chunks to [`Sender::offer`], which never blocks. Chunks are protobuf messages whose concatenation is the
//! union of their repeated fields, so the queue puts many of them together to one request. Consumers on tokio deliver the requests
//! through a [`Transport`]; each keeps its order. Every accepted record ends as delivered or dropped exactly once.

mod account;
mod complaints;
mod consumer;
mod queue;
mod retry;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod units;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use settings::{BatchSettings, QueueSettings, QueueSize, RetrySettings, SenderSettings, Sizer};

use crate::component::{BoxFuture, ComponentId};
use crate::telemetry::{DropReason, ExporterEntry};
use complaints::Complaints;
use queue::Queue;

/// What a receiver made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It took everything.
    Delivered,
    /// It took all but some records; never sent again.
    Partial {
        /// How many it refused.
        rejected: u64,
        /// Why, in its words.
        message: String,
    },
    /// It may take the same request later.
    Retry {
        /// How long it wants to be left alone.
        after: Option<Duration>,
        /// What went wrong.
        message: String,
    },
    /// It will never take this request.
    Refused {
        /// Why, in its words.
        message: String,
    },
}

/// The way to a receiver.
pub trait Transport: Send + Sync + 'static {
    /// Makes of a request what goes over the wire. Called once per request, before its first attempt; for compression.
    fn prepare(&self, body: Vec<u8>) -> Bytes {
        Bytes::from(body)
    }

    /// One attempt. The sender limits its time.
    fn send(&self, body: Bytes) -> BoxFuture<'_, Outcome>;
}

/// Encoded records of one gadget on their way into the queue.
pub struct Chunk<'a> {
    /// A protobuf message that can be concatenated with others of its kind.
    pub bytes: &'a [u8],
    /// How many records it holds.
    pub records: u64,
    /// Where they are accounted for.
    pub entry: &'a Arc<ExporterEntry>,
}

/// A queue with its consumers. Clones are handles to the same.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

struct Shared {
    id: ComponentId,
    settings: SenderSettings,
    transport: Arc<dyn Transport>,
    queue: Queue,
    failing: Mutex<Option<String>>,
    complaints: Complaints,
    abort: CancellationToken,
}

impl Sender {
    /// Starts the consumers on `runtime`. They run until [`Sender::stop`].
    pub fn spawn(id: ComponentId, settings: SenderSettings, transport: Arc<dyn Transport>, runtime: &tokio::runtime::Handle) -> Self {
        let queue = Queue::new(&settings.queue);
        let consumers = settings.queue.num_consumers.max(1);
        let (failing, complaints, abort) = (Mutex::default(), Complaints::default(), CancellationToken::new());
        let shared = Arc::new(Shared { id, settings, transport, queue, failing, complaints, abort });
        let tasks = TaskTracker::new();
        for _ in 0..consumers {
            tasks.spawn_on(consumer::run(shared.clone()), runtime);
        }
        tasks.close();
        Sender { shared, tasks }
    }

    /// Queues a chunk by copying it, without ever blocking on the receiver. From here on the sender accounts for its records:
    /// false says that it counted them as dropped because the queue is full or the sender stopped.
    pub fn offer(&self, chunk: Chunk<'_>) -> bool {
        match self.shared.queue.push(&chunk) {
            Ok(()) => true,
            Err(reason) => {
                ExporterEntry::count_dropped(chunk.entry, reason, chunk.records);
                if let Some(records) = self.shared.complaints.add(reason, chunk.records) {
                    tracing::error!(exporter = %self.shared.id, records, reason = reason.as_str(), "records dropped before the queue");
                }
                false
            }
        }
    }

    /// The size in bytes and the number of records at which a chunk should be offered, so that the queue can use its limits well.
    pub fn chunk_limits(&self) -> (usize, u64) {
        self.shared.queue.chunk_limits()
    }

    /// Bytes queued or under way.
    pub fn queue_bytes(&self) -> u64 {
        self.shared.queue.bytes()
    }

    /// Upper limit of [`Sender::queue_bytes`]; 0 when the queue is limited in another unit.
    pub fn queue_limit(&self) -> u64 {
        match self.shared.settings.queue.sizer() {
            Sizer::Bytes => self.shared.settings.queue.queue_size.amount,
            Sizer::Items | Sizer::Requests => 0,
        }
    }

    /// The last failure, until something succeeds again.
    pub fn failing(&self) -> Option<String> {
        self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Delivers what is queued for at most `deadline`, then counts the rest as [`DropReason::Shutdown`]. Chunks offered from now on
    /// are counted so at once. Idempotent.
    pub async fn stop(&self, deadline: Duration) {
        self.shared.queue.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            self.shared.abort.cancel();
            self.tasks.wait().await;
        }
        for (reason, records) in self.shared.complaints.rest() {
            tracing::error!(exporter = %self.shared.id, records, reason = reason.as_str(), "more records dropped");
        }
    }
}

impl Shared {
    fn failed(&self, message: &str) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_none() {
            tracing::warn!(exporter = %self.id, error = message, "cannot deliver, trying again");
        }
        *failing = Some(message.to_owned());
    }

    fn worked(&self) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.take().is_some() {
            tracing::info!(exporter = %self.id, "delivering again");
        }
    }

    fn lost(&self, reason: DropReason, records: u64, message: &str) {
        if let Some(records) = self.complaints.add(reason, records) {
            tracing::error!(exporter = %self.id, records, reason = reason.as_str(), error = message, "records dropped");
        }
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
    }
}
