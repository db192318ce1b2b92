//! Memory shared with the kernel through a descriptor.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// Bytes of a page of memory.
pub fn page_size() -> usize {
    // SAFETY: sysconf reads a constant.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// A mapped part of a file. Unmapped when dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to this value alone, and no thread has a claim to it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes from `offset` on, both multiples of a page.
    pub(super) fn new(file: BorrowedFd<'_>, offset: usize, len: usize, writable: bool) -> io::Result<Self> {
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: without an address the kernel chooses one that nothing else uses.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, file.as_raw_fd(), offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Mapping { start, len })
    }

    /// Bytes that the kernel does not write any more, which the caller vouches for; `None` beyond the end.
    pub(super) fn bytes(&self, at: usize, len: usize) -> Option<&[u8]> {
        let end = at.checked_add(len)?;
        // SAFETY: the range is inside of the mapping, which lives as long as `self`.
        (end <= self.len).then(|| unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(at), len) })
    }

    /// A number that both sides read and write; `None` beyond the end or when it is not aligned.
    pub(super) fn number(&self, at: usize) -> Option<&AtomicU64> {
        let inside = at.is_multiple_of(8) && at.checked_add(8)? <= self.len;
        // SAFETY: eight aligned bytes inside of the mapping, whose start is aligned to a page; whoever writes to a read-only one is killed.
        inside.then(|| unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(at).cast()) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and nobody borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
