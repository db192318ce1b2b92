//! Data sources: how records come out of the kernel into a batch.

mod iter;
mod map;
mod perf;
mod polled;
mod ring;
#[cfg(test)]
mod tests;
mod timer;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::batch::Batch;
use crate::loader::Reader;

/// The data source behind a gadget's reader.
pub fn open(reader: Reader) -> Box<dyn Datasource> {
    match reader {
        Reader::Ring(source) => Box::new(ring::Ring::new(source)),
        Reader::Perf(source) => Box::new(perf::Perf::new(source)),
        Reader::Map(source) => Box::new(map::MapEntries::new(source)),
        Reader::Iter(source) => Box::new(iter::Iter::new(source)),
        Reader::Polled(source) => Box::new(polled::Rows::new(source)),
    }
}

/// Something that yields records of one schema.
pub trait Datasource: Send {
    /// Moves records into `batch` until there are none or the batch is full. Never blocks.
    ///
    /// # Errors
    /// When the kernel object behind it cannot be read; what is already in the batch stays valid.
    fn poll(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError>;

    /// What to wait for before polling again.
    fn wakeup(&self) -> Wakeup<'_>;

    /// Records the kernel could not hand over so far, a running total that is never reset.
    fn lost(&mut self) -> u64;

    /// Whether a fetch, of a source that yields sets, has ended since this was asked last; also when it yielded nothing.
    fn take_fetched(&mut self) -> bool {
        false
    }

    /// Bytes that the kernel can hold for it before it loses records; 0 when it never does.
    fn capacity(&self) -> usize {
        0
    }

    /// The last poll, after the programs have been detached: yields what is left in the kernel.
    ///
    /// # Errors
    /// As [`Datasource::poll`].
    fn drain(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        self.poll(batch)
    }
}

/// How far a poll got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing more to read now.
    Drained,
    /// The batch is full; poll again after it has been handed on.
    More,
    /// There will never be more (a fetch count is used up).
    Finished,
}

/// What a worker waits for.
pub enum Wakeup<'a> {
    /// The descriptor becomes readable.
    Readable(BorrowedFd<'a>),
    /// The time has passed.
    After(Duration),
    /// Nothing: it is finished.
    Never,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct DatasourceError {
    /// For instance "read batch of map \"counts\"".
    pub doing: String,
    /// Why it failed.
    pub source: std::io::Error,
}

impl DatasourceError {
    fn new(doing: String, source: std::io::Error) -> Self {
        DatasourceError { doing, source }
    }
}
