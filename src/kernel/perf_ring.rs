//! Reads the perf buffers, one per CPU, into which programs write with `bpf_perf_event_output`.
//!
//! The layout is that of `struct perf_event_mmap_page` in `linux/perf_event.h`: a page of positions, then the data.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::Ordering;

use super::bpf::{self, Shape};
use super::mapping::{Mapping, page_size};
use super::perf;

/// Where the first page has the writer's and the reader's position.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
const HEADER: usize = 8;
/// A record's size has 16 bits.
const LONGEST: usize = 1 << 16;

/// What a CPU wrote.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// What a program wrote, and up to 7 bytes of padding behind it.
    Sample(&'a [u8]),
    /// So many samples found no room.
    Lost(u64),
}

/// One CPU's buffer.
#[derive(Debug)]
struct Ring {
    event: OwnedFd,
    mapping: Mapping,
    /// Whether the kernel counts losses in the event itself (6.0 and newer).
    counts_lost: bool,
    head: u64,
    tail: u64,
    published: u64,
}

/// The buffers of all CPUs that were online when they were opened.
#[derive(Debug)]
pub struct PerfRings {
    /// Entries of the map last as long as the file they were put in through.
    _map: OwnedFd,
    rings: Vec<Ring>,
    epoll: OwnedFd,
    size: usize,
    current: usize,
    /// A record that goes on at the beginning of the buffer is put together here.
    joined: Vec<u8>,
    /// Losses that records told of, on CPUs whose events do not count them.
    told: u64,
}

impl PerfRings {
    /// Opens a buffer of `size` bytes (a power of two, whole pages) for each of the CPUs and puts them into `map`, a perf event array.
    /// A CPU that has gone offline meanwhile is left out.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(map: OwnedFd, cpus: &[u32], size: usize) -> io::Result<Self> {
        // SAFETY: no pointers.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let mut rings = Vec::with_capacity(cpus.len());
        for cpu in cpus {
            let (event, counts_lost) = match perf::output(*cpu) {
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => continue,
                other => other?,
            };
            let mapping = Mapping::new(event.as_fd(), 0, page_size() + size, true)?;
            let shape = Shape { key: 4, value: 4 };
            bpf::update(map.as_fd(), shape, &cpu.to_ne_bytes(), &event.as_raw_fd().to_ne_bytes())?;
            watch(epoll.as_fd(), event.as_fd())?;
            rings.push(Ring { event, mapping, counts_lost, head: 0, tail: 0, published: 0 });
        }
        Ok(PerfRings { _map: map, rings, epoll, size, current: 0, joined: Vec::with_capacity(LONGEST), told: 0 })
    }

    /// Bytes of each CPU's buffer.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The next record of any CPU, each CPU's in order; `None` when there is none. What is read is given back to the writers
    /// when a CPU has no more, by [`PerfRings::release`], and each time an eighth of a buffer has been read.
    ///
    /// # Errors
    /// When a buffer does not hold records; what is in it is given up.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        if !self.rings.get(self.current).is_some_and(Ring::has_more) && !self.turn() {
            return Ok(None);
        }
        let Some(ring) = self.rings.get_mut(self.current) else { return Ok(None) };
        let counts_lost = ring.counts_lost;
        let record = ring.take(self.size, &mut self.joined)?;
        if let Record::Lost(count) = &record
            && !counts_lost
        {
            self.told += count;
        }
        Ok(Some(record))
    }

    /// Goes to the next CPU that has something, so that a busy one does not keep the others waiting.
    fn turn(&mut self) -> bool {
        (0..self.rings.len()).any(|_| {
            self.current = (self.current + 1) % self.rings.len();
            self.rings.get_mut(self.current).is_some_and(Ring::look)
        })
    }

    /// Gives what has been read back to the writers.
    pub fn release(&mut self) {
        self.rings.iter_mut().for_each(Ring::release);
    }

    /// Samples that found no room so far, over all CPUs. Before kernel 6.0 those since the last sample are not known yet.
    /// Interrupts each CPU, so not for every batch.
    ///
    /// # Errors
    /// The kernel's.
    pub fn lost(&self) -> io::Result<u64> {
        let counted = self.rings.iter().filter(|ring| ring.counts_lost).map(|ring| perf::lost(ring.event.as_fd()));
        counted.sum::<io::Result<u64>>().map(|lost| lost + self.told)
    }
}

impl AsFd for PerfRings {
    /// Readable when one of the buffers is.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Ring {
    fn has_more(&self) -> bool {
        self.tail != self.head
    }

    /// Whether there is more than there was before.
    fn look(&mut self) -> bool {
        self.release();
        self.head = self.mapping.number(HEAD).map_or(self.tail, |at| at.load(Ordering::Acquire));
        self.has_more()
    }

    fn release(&mut self) {
        if self.tail != self.published
            && let Some(at) = self.mapping.number(TAIL)
        {
            at.store(self.tail, Ordering::Release);
            self.published = self.tail;
        }
    }

    fn take<'a>(&'a mut self, size: usize, joined: &'a mut Vec<u8>) -> io::Result<Record<'a>> {
        if self.tail - self.published > size as u64 / 8 {
            self.release();
        }
        let at = self.tail as usize & (size - 1);
        let start = page_size() + at;
        let header = self.mapping.bytes(start, HEADER).and_then(|h| h.first_chunk::<HEADER>()).copied().unwrap_or_default();
        let [k0, k1, k2, k3, _, _, s0, s1] = header;
        let (kind, len) = (u32::from_ne_bytes([k0, k1, k2, k3]), usize::from(u16::from_ne_bytes([s0, s1])));
        if len < HEADER || len as u64 > self.head - self.tail || !len.is_multiple_of(8) {
            self.tail = self.head;
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a perf buffer has a record of {len} bytes")));
        }
        self.tail += len as u64;
        let bytes = if at + len <= size {
            self.mapping.bytes(start, len).unwrap_or_default()
        } else {
            joined.clear();
            joined.extend_from_slice(self.mapping.bytes(start, size - at).unwrap_or_default());
            joined.extend_from_slice(self.mapping.bytes(page_size(), at + len - size).unwrap_or_default());
            joined
        };
        Ok(record(kind, bytes.get(HEADER..).unwrap_or_default()))
    }
}

/// What a record is, by its body. Other kinds tell of nothing that counts here.
fn record(kind: u32, body: &[u8]) -> Record<'_> {
    match kind {
        RECORD_SAMPLE => {
            let Some((len, raw)) = body.split_first_chunk::<4>() else { return Record::Lost(0) };
            Record::Sample(raw.get(..u32::from_ne_bytes(*len) as usize).unwrap_or(raw))
        }
        // The event's id, then the number.
        RECORD_LOST => Record::Lost(body.get(8..).and_then(|b| b.first_chunk()).map_or(0, |n| u64::from_ne_bytes(*n))),
        _ => Record::Lost(0),
    }
}

fn watch(epoll: BorrowedFd<'_>, event: BorrowedFd<'_>) -> io::Result<()> {
    let mut interest = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
    // SAFETY: the structure lives until the call returns.
    let result = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, event.as_raw_fd(), &raw mut interest) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_records_are_samples_and_losses_whatever_their_length() {
        assert_eq!(record(RECORD_SAMPLE, &[3, 0, 0, 0, 1, 2, 3, 0]), Record::Sample(&[1, 2, 3]));
        assert_eq!(record(RECORD_SAMPLE, &[9, 0, 0, 0, 1, 2, 3, 0]), Record::Sample(&[1, 2, 3, 0]), "never beyond the record");
        assert_eq!(record(RECORD_SAMPLE, &[9, 0]), Record::Lost(0));
        assert_eq!(record(RECORD_LOST, &[0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]), Record::Lost(5));
        assert_eq!(record(RECORD_LOST, &[0; 9]), Record::Lost(0));
        assert_eq!(record(77, &[1; 8]), Record::Lost(0));
    }
}
