//! Entries of a hash map, which is emptied by reading it: each read yields what was counted since the last one.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::timer::Timer;
use super::{Datasource, DatasourceError, Progress, Wakeup};
use crate::batch::Batch;
use crate::kernel::{bpf, features};
use crate::loader::MapSource;

/// Entries asked for at once, to begin with. A bucket of the kernel's that holds more makes it grow.
const CHUNK: usize = 256;

/// How far a pass over the map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// None is under way.
    Idle,
    /// At its beginning.
    Start,
    /// Behind `cursor`.
    Behind,
    /// Behind its end; what it has read may still be waiting for a batch.
    Ended,
}

/// A map iterator's rows: key, padded to 8 bytes, then value.
pub(super) struct MapEntries {
    source: MapSource,
    timer: Timer,
    batched: bool,
    pass: Pass,
    cursor: Vec<u8>,
    next: Vec<u8>,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Entries in the buffers that are still to be handed on.
    pending: std::ops::Range<usize>,
    /// Entries that the pass may still take without batches: others may be adding some all the time.
    budget: u64,
    row: Vec<u8>,
    drained: bool,
    fetched: bool,
}

impl MapEntries {
    pub(super) fn new(source: MapSource) -> Self {
        Self::with(source, features::has_batch_operations())
    }

    /// `batched`: whether the kernel hands out many entries per call.
    pub(super) fn with(source: MapSource, batched: bool) -> Self {
        let chunk = CHUNK.min(source.max_entries.max(1) as usize);
        let shape = source.shape;
        MapEntries {
            timer: Timer::start(source.schedule, Instant::now()),
            batched,
            pass: Pass::Idle,
            // The kernel keeps four bytes here for hashes, however short the key.
            cursor: vec![0; shape.key.max(8)],
            next: vec![0; shape.key.max(8)],
            keys: vec![0; shape.key * chunk],
            values: vec![0; shape.value * chunk],
            pending: 0..0,
            budget: 0,
            row: Vec::with_capacity(shape.key.next_multiple_of(8) + shape.value),
            drained: false,
            fetched: false,
            source,
        }
    }

    fn begin(&mut self) {
        self.pass = Pass::Start;
        self.budget = u64::from(self.source.max_entries);
    }

    /// Goes on with the pass that is under way until it ends or the batch is full.
    fn advance(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        loop {
            if !self.hand_on(batch) {
                return Ok(Progress::More);
            }
            if matches!(self.pass, Pass::Idle | Pass::Ended) {
                self.fetched |= self.pass == Pass::Ended;
                self.pass = Pass::Idle;
                return Ok(if self.timer.is_finished() { Progress::Finished } else { Progress::Drained });
            }
            let fetched = if self.batched { self.fetch_batch() } else { self.fetch_one() };
            if let Err(source) = fetched {
                self.pass = Pass::Ended;
                // What came with the error is handed on by the next poll.
                return Err(DatasourceError::new(format!("read entries of map {:?}", self.source.name), source));
            }
        }
    }

    /// Moves pending entries into the batch; false when it got full before.
    fn hand_on(&mut self, batch: &mut Batch) -> bool {
        let shape = self.source.shape;
        while !self.pending.is_empty() {
            if batch.is_full() {
                return false;
            }
            let at = self.pending.start;
            self.row.clear();
            self.row.extend_from_slice(self.keys.get(at * shape.key..(at + 1) * shape.key).unwrap_or_default());
            self.row.resize(shape.key.next_multiple_of(8), 0);
            self.row.extend_from_slice(self.values.get(at * shape.value..(at + 1) * shape.value).unwrap_or_default());
            batch.push(&self.row);
            self.pending.start += 1;
        }
        true
    }

    fn fetch_batch(&mut self) -> io::Result<()> {
        let room = self.keys.len().checked_div(self.source.shape.key).unwrap_or(0);
        let cursor = (self.pass == Pass::Behind).then_some(self.cursor.as_slice());
        let result = bpf::lookup_and_delete_batch(
            self.source.map.as_fd(),
            cursor,
            &mut self.next,
            &mut self.keys,
            &mut self.values,
            u32::try_from(room).unwrap_or(u32::MAX),
        );
        self.pending = 0..result.count;
        match result.error.as_ref().and_then(io::Error::raw_os_error) {
            None => self.turn_page(),
            Some(libc::ENOENT) => self.pass = Pass::Ended,
            Some(libc::EINTR) => {}
            // The next bucket holds more than there is room for; nothing was taken out.
            Some(libc::ENOSPC) => {
                self.turn_page();
                self.grow(room)?;
            }
            Some(_) => return Err(result.error.unwrap_or_else(io::Error::last_os_error)),
        }
        Ok(())
    }

    fn turn_page(&mut self) {
        std::mem::swap(&mut self.cursor, &mut self.next);
        self.pass = Pass::Behind;
    }

    fn grow(&mut self, room: usize) -> io::Result<()> {
        let most = self.source.max_entries as usize;
        if room >= most {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let room = (room * 2).min(most);
        self.keys.resize(room * self.source.shape.key, 0);
        self.values.resize(room * self.source.shape.value, 0);
        Ok(())
    }

    /// One entry, for kernels without batches: look where to go on before the key is removed.
    fn fetch_one(&mut self) -> io::Result<()> {
        let (map, shape) = (self.source.map.as_fd(), self.source.shape);
        let key = self.cursor.get_mut(..shape.key).unwrap_or_default();
        if self.pass == Pass::Start && !found(bpf::next_key(map, shape, None, key))? {
            self.pass = Pass::Ended;
            return Ok(());
        }
        self.pass = Pass::Behind;
        let next = self.next.get_mut(..shape.key).unwrap_or_default();
        let more = found(bpf::next_key(map, shape, Some(key), next))?;
        let value = self.values.get_mut(..shape.value).unwrap_or_default();
        if found(bpf::lookup(map, shape, key, value))? {
            found(bpf::delete(map, shape, key))?;
            self.keys.get_mut(..shape.key).unwrap_or_default().copy_from_slice(key);
            self.pending = 0..1;
        }
        self.budget = self.budget.saturating_sub(1);
        if more && self.budget > 0 {
            self.turn_page()
        } else {
            self.pass = Pass::Ended
        }
        Ok(())
    }
}

/// ENOENT is an answer, not an error.
fn found(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Datasource for MapEntries {
    fn poll(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        if self.pass == Pass::Idle && self.timer.tick(Instant::now()) {
            self.begin();
        }
        self.advance(batch)
    }

    fn wakeup(&self) -> Wakeup<'_> {
        if self.pass == Pass::Idle { self.timer.wakeup(Instant::now()) } else { Wakeup::After(std::time::Duration::ZERO) }
    }

    fn lost(&mut self) -> u64 {
        0
    }

    fn take_fetched(&mut self) -> bool {
        std::mem::take(&mut self.fetched)
    }

    /// One more read whatever the metadata says, since what was counted after the last tick would be lost otherwise.
    /// Only a map whose number of reads is used up is left alone.
    fn drain(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        if self.pass != Pass::Idle && self.advance(batch)? == Progress::More {
            return Ok(Progress::More);
        }
        if !self.drained && !self.timer.is_finished() {
            self.begin();
            self.drained = true;
        }
        match self.advance(batch)? {
            Progress::Drained => Ok(Progress::Finished),
            other => Ok(other),
        }
    }
}
