//! Records from a ring buffer, copied once, straight into the batch.

use std::os::fd::AsFd;

use super::{Datasource, DatasourceError, Progress, Wakeup};
use crate::batch::Batch;
use crate::loader::RingSource;

/// A tracer's records.
pub(super) struct Ring {
    source: RingSource,
    lost: u64,
}

impl Ring {
    pub(super) fn new(source: RingSource) -> Self {
        Ring { source, lost: 0 }
    }
}

impl Datasource for Ring {
    fn poll(&mut self, batch: &mut Batch) -> Result<Progress, DatasourceError> {
        let RingSource { ring, map, .. } = &mut self.source;
        // Asked before the item is taken: a taken item that found no room would be lost.
        while !batch.is_full() {
            match ring.next() {
                Ok(Some(record)) => batch.push(record),
                Ok(None) => return Ok(Progress::Drained),
                Err(error) => return Err(DatasourceError::new(format!("read ring buffer {map:?}"), error)),
            }
        }
        ring.release();
        Ok(Progress::More)
    }

    fn wakeup(&self) -> Wakeup<'_> {
        Wakeup::Readable(self.source.ring.as_fd())
    }

    fn capacity(&self) -> usize {
        self.source.ring.size()
    }

    fn lost(&mut self) -> u64 {
        match self.source.lost.as_mut().map(|lost| lost.total()) {
            Some(Ok(total)) => self.lost = total,
            Some(Err(error)) => {
                tracing::warn!(map = self.source.map, %error, "cannot read how many records were lost");
                self.source.lost = None;
            }
            None => {}
        }
        self.lost
    }
}
