//! Records from perf buffers, copied once, straight into the batch.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::{Datasource, DatasourceError, Progress, Wakeup};
use crate::batch::Batch;
use crate::kernel::perf_ring::Record;
use crate::loader::PerfSource;

/// Asking for losses interrupts every CPU.
const LOSS_CHECK: Duration = Duration::from_millis(500);

/// A tracer's records where there are no ring buffers.
pub(super) struct Perf {
    source: PerfSource,
    lost: u64,
    asked: Option<Instant>,
}

impl Perf {
    pub(super) fn new(source: PerfSource) -> Self {
        Perf { source, lost: 0, asked: None }
    }
}

impl Datasource for Perf {
    fn poll(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        let Perf { source, .. } = self;
        while !batch.is_full() {
            match source.rings.next() {
                Ok(Some(Record::Sample(record))) => batch.push(record),
                Ok(Some(Record::Lost(_))) => {}
                Ok(None) => return Ok(Progress::Drained),
                Err(error) => return Err(DatasourceError::new(format!("read perf buffer {:?}", source.map), error)),
            }
        }
        source.rings.release();
        Ok(Progress::More)
    }

    fn wakeup(&self) -> Wakeup<'_> {
        Wakeup::Readable(self.source.rings.as_fd())
    }

    fn capacity(&self) -> usize {
        self.source.rings.size()
    }

    fn lost(&mut self) -> u64 {
        if self.asked.is_some_and(|asked| asked.elapsed() < LOSS_CHECK) {
            return self.lost;
        }
        self.asked = Some(Instant::now());
        match self.source.rings.lost() {
            Ok(lost) => self.lost = lost,
            Err(error) => tracing::warn!(map = self.source.map, %error, "cannot read how many records were lost"),
        }
        self.lost
    }

    /// Nothing is lost any more, so the last count is the exact one.
    fn drain(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        self.asked = None;
        self.poll(batch)
    }
}
