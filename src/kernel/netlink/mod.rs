//! What is needed of rtnetlink: links, namespace ids and traffic control filters. Answers are read with bounds on everything.

mod filter;
mod link;
mod message;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub use filter::{Filter, Side};
pub use link::{Link, Peer};
pub use message::Attributes;
use message::{ERROR, OVER, messages};

/// NLM_F_CREATE | NLM_F_EXCL.
pub const CREATE: u16 = 0x600;
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
/// Something changed while the kernel was listing.
const DUMP_INTERRUPTED: u16 = 0x10;

/// Bytes of the largest answer that is read; the kernel fills at most 32 KiB when it lists.
const BUFFER: usize = 64 << 10;
/// Most messages in one answer.
const MAX_MESSAGES: usize = 1 << 16;
/// How long the kernel may take for a part of its answer, in seconds.
const PATIENCE: libc::time_t = 5;

/// A connection to the routing subsystem of one network namespace: the one its opener was in, whoever uses it later.
pub struct Route {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Route {
    /// Connects to the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let fd = checked(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) } as isize)?;
        // SAFETY: a new descriptor that nobody else knows.
        let socket = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let patience = libc::timeval { tv_sec: PATIENCE, tv_usec: 0 };
        let size = size_of::<libc::timeval>() as libc::socklen_t;
        let value = (&raw const patience).cast();
        // SAFETY: the value is valid for its size.
        checked(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, value, size) } as isize)?;
        // SAFETY: all zeros is a valid address: the kernel's, once the family is set.
        let mut kernel: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        kernel.nl_family = libc::AF_NETLINK as u16;
        let size = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // Connected, so that nobody else can answer.
        // SAFETY: the address is valid for its size.
        checked(unsafe { libc::connect(socket.as_raw_fd(), (&raw const kernel).cast(), size) } as isize)?;
        Ok(Route { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// One request of kind `kind` (RTM_*), with `flags` beside NLM_F_REQUEST and NLM_F_ACK. `header` is the fixed part of its kind.
    ///
    /// # Errors
    /// The kernel's.
    pub fn request(&mut self, kind: u16, flags: u16, header: &[u8], attributes: &Attributes) -> io::Result<()> {
        self.ask(kind, flags | ACK, header, attributes, |_, _| {}).map(drop)
    }

    /// A request with an answer: `take` gets the kind and the contents of each message. True when a list may be incomplete.
    fn ask(&mut self, kind: u16, flags: u16, header: &[u8], attributes: &Attributes, mut take: impl FnMut(u16, &[u8])) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = message::encode(kind, flags | REQUEST, self.sequence, header, attributes);
        // SAFETY: the bytes are valid for their length.
        checked(unsafe { libc::send(self.socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) })?;
        let (mut interrupted, mut count) = (false, 0);
        loop {
            let length = self.receive()?;
            let ours = messages(self.buffer.get(..length).unwrap_or_default()).filter(|m| m.sequence == self.sequence);
            for message in ours {
                count += 1;
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    ERROR | OVER => return message.outcome().map(|()| interrupted),
                    kind => take(kind, message.contents),
                }
            }
            if count > MAX_MESSAGES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer of rtnetlink has no end"));
            }
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        loop {
            let (to, room) = (self.buffer.as_mut_ptr().cast(), self.buffer.len());
            // SAFETY: the buffer has that much room; with MSG_TRUNC the result may be more than that, but not what is written.
            let length = checked(unsafe { libc::recv(self.socket.as_raw_fd(), to, room, libc::MSG_TRUNC) });
            match length {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Ok(length) if length > room => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer of rtnetlink is too long"));
                }
                other => return other,
            }
        }
    }
}

fn checked(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
