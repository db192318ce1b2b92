//! Whose an address is: kept by the watches of pods and services, read as an immutable [`Directory`], loaded once per batch.

mod directory;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub use directory::{Address, AddressAttribute, Directory, HOST, NamedPod, RAW};
use directory::{FIRST, Record};

/// How long the addresses of what is gone still name it: events come late.
const GRACE: Duration = Duration::from_secs(10);
/// Least time between two directories, each of which is made anew of everything there is; and the least part of the time that is not spent so.
const PAUSE: Duration = Duration::from_millis(100);
const IDLE: u32 = 20;
/// Most pods and services. More are counted in [`Addresses::refused`].
const MAX_RECORDS: usize = 100_000;

/// Everything that has an address.
#[derive(Default)]
pub struct Addresses {
    state: Mutex<State>,
    published: ArcSwap<Directory>,
    changed: Notify,
    refused: AtomicU64,
}

#[derive(Default)]
struct State {
    rows: HashMap<Arc<str>, Row>,
    next: u32,
    generation: u64,
    dirty: bool,
}

struct Row {
    record: Arc<Record>,
    number: u32,
    ended: Option<Instant>,
}

impl Addresses {
    /// Whose addresses are which, as of a moment ago.
    pub fn directory(&self) -> Arc<Directory> {
        self.published.load_full()
    }

    /// Notes the addresses of a pod or service, in the place of those it had. `uid` tells it from all others, past and present.
    pub fn put(&self, uid: &str, addresses: Vec<IpAddr>, of: Address) {
        let record = Record::new(addresses, of);
        let mut state = self.lock();
        let known = state.rows.get(uid);
        if known.is_some_and(|row| row.ended.is_none() && *row.record == record) {
            return;
        }
        let full = known.is_none() && state.rows.len() >= MAX_RECORDS;
        // A number stands for one record as long as the process lives.
        let Some(next) = state.next.checked_add(1).filter(|_| !full) else {
            self.refuse();
            return;
        };
        let number = std::mem::replace(&mut state.next, next) + FIRST;
        state.rows.insert(uid.into(), Row { record: Arc::new(record), number, ended: None });
        state.dirty = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Notes that a pod or service is gone.
    pub fn remove(&self, uid: &str, now: Instant) {
        if let Some(row) = self.lock().rows.get_mut(uid) {
            row.ended.get_or_insert(now);
            self.changed.notify_one();
        }
    }

    /// Pods and services whose addresses are not known because there are too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Makes the changes visible that were noted so far, and lets go of what has been gone for long.
    pub fn publish(&self, now: Instant) {
        let mut state = self.lock();
        let before = state.rows.len();
        state.rows.retain(|_, row| row.ended.is_none_or(|since| now.saturating_duration_since(since) < GRACE));
        state.dirty |= before != state.rows.len();
        if !std::mem::take(&mut state.dirty) {
            return;
        }
        state.generation += 1;
        // Later insertions win: what is gone first, the older first among equals.
        let mut rows: Vec<&Row> = state.rows.values().collect();
        rows.sort_by_key(|row| (row.ended.is_none(), row.number));
        let directory = Directory::new(state.generation, rows.into_iter().map(|row| (row.number, &row.record)));
        self.published.store(Arc::new(directory));
    }

    /// Makes changes visible as they come.
    pub(super) async fn publish_changes(&self) {
        loop {
            self.publish(Instant::now());
            let leaving = self.lock().rows.values().any(|row| row.ended.is_some());
            match leaving {
                true => drop(tokio::time::timeout(GRACE, self.changed.notified()).await),
                false => self.changed.notified().await,
            }
            let begun = Instant::now();
            self.publish(begun);
            tokio::time::sleep(PAUSE.max(begun.elapsed() * IDLE)).await;
        }
    }

    fn refuse(&self) {
        if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(limit = MAX_RECORDS, "there are more pods and services than addresses are kept of");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
