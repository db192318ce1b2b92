//! Reads a BPF ring buffer through a window that slides over it: however large the ring is, little of it is mapped.
//!
//! The layout is that of `kernel/bpf/ringbuf.c`: a page with the reader's position, one with the writers', then the data,
//! mapped twice in a row so that a record at the end continues behind it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use super::mapping::{Mapping, page_size};

/// Bytes of data that are mapped at once.
const WINDOW: usize = 1 << 20;
/// Bytes before each record: its length and where it is.
const HEADER: usize = 8;
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;

/// The reader's side of a ring. There must be only one.
#[derive(Debug)]
pub struct RingBuffer {
    map: OwnedFd,
    size: usize,
    consumer: Mapping,
    producer: Mapping,
    window: Mapping,
    /// Where the window begins and ends, in bytes of data.
    shown: std::ops::Range<usize>,
    /// Where the next record is.
    position: u64,
    /// The position the kernel knows: what is before it may be overwritten.
    published: u64,
    /// Where the writers were when they were last looked at.
    produced: u64,
}

impl RingBuffer {
    /// Opens a ring of `size` bytes.
    ///
    /// # Errors
    /// When `map` is no ring buffer of that size or cannot be mapped.
    pub fn open(map: OwnedFd, size: u32) -> io::Result<Self> {
        let (page, size) = (page_size(), size as usize);
        if !size.is_power_of_two() || size < page {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let consumer = Mapping::new(map.as_fd(), 0, page, true)?;
        let producer = Mapping::new(map.as_fd(), page, page, false)?;
        let position = consumer.number(0).map_or(0, |at| at.load(Ordering::Acquire));
        let shown = window_at(position as usize & (size - 1), 0, size);
        let window = Mapping::new(map.as_fd(), 2 * page + shown.start, shown.len(), false)?;
        Ok(RingBuffer { map, size, consumer, producer, window, shown, position, published: position, produced: position })
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The next record; `None` when there is none that is complete. What it occupies is given back to the writers later:
    /// by a call that finds nothing, by [`RingBuffer::release`], and each time an eighth of the ring has been read.
    ///
    /// # Errors
    /// When the next part of the ring cannot be mapped.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if self.position == self.produced && !self.look() {
                return Ok(None);
            }
            if self.position - self.published > self.size as u64 / 8 {
                self.release();
            }
            let mut header = self.header()?;
            if header & BUSY != 0 {
                if !self.release() {
                    return Ok(None);
                }
                header = self.header()?;
            }
            if header & BUSY != 0 {
                return Ok(None);
            }
            let at = self.position as usize & (self.size - 1);
            let len = (header & !(BUSY | DISCARDED)) as usize;
            self.show(at, HEADER + len)?;
            self.position += (HEADER + len).next_multiple_of(8) as u64;
            if header & DISCARDED == 0 {
                return Ok(self.window.bytes(at + HEADER - self.shown.start, len));
            }
        }
    }

    /// Gives what has been read back to the writers; false when that was done before.
    pub fn release(&mut self) -> bool {
        if self.position == self.published {
            return false;
        }
        // A writer wakes the reader if this is where its record begins. So it has to be seen before the record is looked at again.
        if let Some(at) = self.consumer.number(0) {
            at.swap(self.position, Ordering::SeqCst);
        }
        self.published = self.position;
        true
    }

    /// Whether there is more than was there before.
    fn look(&mut self) -> bool {
        self.release();
        self.produced = self.producer.number(0).map_or(self.position, |at| at.load(Ordering::SeqCst));
        self.position != self.produced
    }

    fn header(&mut self) -> io::Result<u32> {
        let at = self.position as usize & (self.size - 1);
        self.show(at, HEADER)?;
        // The length is the lower half on the little-endian machines that we run on; the other half does not change.
        let both = self.window.number(at - self.shown.start).map_or(0, |n| n.load(Ordering::Acquire));
        Ok(u64::from_le(both) as u32)
    }

    /// Moves the window so that it shows `len` bytes from `at` on.
    fn show(&mut self, at: usize, len: usize) -> io::Result<()> {
        if self.shown.start <= at && at + len <= self.shown.end {
            return Ok(());
        }
        let shown = window_at(at, len, self.size);
        self.window = Mapping::new(self.map.as_fd(), 2 * page_size() + shown.start, shown.len(), false)?;
        self.shown = shown;
        Ok(())
    }
}

impl AsFd for RingBuffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

/// A window of whole pages with `len` bytes from `at` on, in a ring of `size`. A small ring is shown whole, and twice.
fn window_at(at: usize, len: usize, size: usize) -> std::ops::Range<usize> {
    let page = page_size();
    if 2 * size <= WINDOW {
        return 0..2 * size;
    }
    let start = at / page * page;
    let end = (at + len).next_multiple_of(page).max(start + WINDOW).min(2 * size);
    start..end
}
