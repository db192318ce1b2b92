//! The socket enricher: one map `gadget_sockets` for all gadgets that look up whose socket a packet belongs to.
//!
//! It runs from the first such gadget to the last. `ebpf/programs/socket_enricher.bpf.c` fills the map; here it is started, shared, tidied.

mod fields;
mod programs;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::error::LoadError;
use super::micros;
use crate::gadget::btf::KernelTypes;
use crate::kernel::maps::{self, MapShape, NewMap};
pub use fields::{SocketFields, SocketFieldsError};
use programs::{Attached, Prepared, Way};

/// The map, as programs know it.
pub(super) const MAP: &str = "gadget_sockets";
/// Bytes of a key: network namespace, family, protocol, port, and zeros between.
const KEY_SIZE: u32 = 12;
/// Sockets that the map has room for.
const ENTRIES: u32 = 16384;
/// From one look for entries of closed sockets to the next.
const TIDY_EVERY: Duration = Duration::from_secs(2);
const HASH: u32 = 1;
const ARRAY: u32 = 2;

/// A running enricher. It stops when nobody holds it any more, on a thread of its own: detaching from the kernel takes a while.
pub struct SocketEnricher {
    fields: SocketFields,
    map: OwnedFd,
    /// Its end is the sign to stop.
    _running: SyncSender<()>,
}

/// Those that run: one, or while a reload changes the fields two.
static RUNNING: Mutex<Vec<Weak<SocketEnricher>>> = Mutex::new(Vec::new());

impl SocketEnricher {
    /// The one with these fields that runs, or a new one, in whose map are the sockets that are open now.
    ///
    /// # Errors
    /// When the kernel allows neither way of watching sockets.
    pub(super) fn shared(fields: &SocketFields, kernel: &KernelTypes) -> Result<Arc<Self>, LoadError> {
        // Held while one starts, so that two gadgets that are loaded at once do not start two.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|enricher| enricher.strong_count() > 0);
        if let Some(enricher) = running.iter().filter_map(Weak::upgrade).find(|e| e.fields == *fields) {
            return Ok(enricher);
        }
        let enricher = Arc::new(Self::start(fields, kernel)?);
        running.push(Arc::downgrade(&enricher));
        Ok(enricher)
    }

    /// The map.
    pub(super) fn map(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }

    /// Bytes of its values.
    pub(super) fn value_size(&self) -> u32 {
        self.fields.value_size()
    }

    fn start(fields: &SocketFields, kernel: &KernelTypes) -> Result<Self, LoadError> {
        let began = Instant::now();
        let map = create_map(HASH, KEY_SIZE, fields.value_size(), ENTRIES)?;
        let blank = create_map(ARRAY, 4, fields.value_size(), 1)?;
        let (way, attached) = attach(&Prepared::for_fields(fields, kernel)?, map.as_fd(), blank.as_fd())?;
        if let Err(error) = attached.import() {
            tracing::warn!(%error, "sockets that were open before will not be known");
        }
        tracing::info!(way = ?way, fields = %fields, micros = micros(began), "socket enricher started");
        let (running, end) = sync_channel(0);
        let thread = std::thread::Builder::new().name("socket enricher".to_owned());
        let thread = thread.spawn(move || tidy(&attached, &end));
        thread.map_err(|source| LoadError::Kernel { doing: "start the thread of the socket enricher".to_owned(), source })?;
        Ok(SocketEnricher { fields: *fields, map, _running: running })
    }
}

/// The enricher for a gadget with such a map, if the kernel allows one; a warning says what goes without.
pub(super) fn for_gadget(
    gadget: &str,
    map: Option<&aya_obj::Map>,
    fields: &SocketFields,
    kernel: &KernelTypes,
) -> Option<Arc<SocketEnricher>> {
    let map = map?;
    if !fits(map) {
        tracing::warn!(gadget, map = MAP, "map is declared differently from the socket enricher's, so the gadget uses one of its own");
        return None;
    }
    match SocketEnricher::shared(fields, kernel) {
        Ok(enricher) => Some(enricher),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(gadget, error, "socket enricher cannot be started, so the gadget will not know whose sockets it sees");
            None
        }
    }
}

/// Whether a gadget's declaration is of a map like ours; values are made as long as ours are.
pub(super) fn fits(map: &aya_obj::Map) -> bool {
    (map.map_type(), map.key_size(), map.max_entries(), map.map_flags()) == (HASH, KEY_SIZE, ENTRIES, 0)
}

/// Functions are preferred: none runs for each packet of TCP, and they see sockets of every cgroup from wherever this process is. A program
/// that tidies up is the last that is given up.
fn attach(prepared: &Prepared<'_>, map: BorrowedFd<'_>, blank: BorrowedFd<'_>) -> Result<(Way, Attached), LoadError> {
    for (way, iterates) in [(Way::Functions, true), (Way::Cgroup, true), (Way::Functions, false)] {
        match Attached::start(way, iterates, prepared, map, blank) {
            Ok(attached) => return Ok((way, attached)),
            Err(error) => tracing::debug!(?way, iterates, %error, "sockets cannot be watched in this way, trying another one"),
        }
    }
    Attached::start(Way::Cgroup, false, prepared, map, blank).map(|attached| (Way::Cgroup, attached))
}

/// Tidies up until the enricher is dropped, then detaches.
fn tidy(attached: &Attached, end: &Receiver<()>) {
    while matches!(end.recv_timeout(TIDY_EVERY), Err(RecvTimeoutError::Timeout)) {
        if let Err(error) = attached.tidy() {
            tracing::warn!(%error, "entries of closed sockets cannot be removed");
        }
    }
}

fn create_map(kind: u32, key: u32, value: u32, entries: u32) -> Result<OwnedFd, LoadError> {
    let shape = MapShape { kind, key, value, entries, flags: 0 };
    maps::create(&NewMap { name: MAP, shape, ..NewMap::default() })
        .map_err(|e| LoadError::kernel("create map \"gadget_sockets\"".to_owned(), e))
}
