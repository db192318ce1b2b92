//! What the terminal or pipe behind a descriptor is like.

use std::io::IsTerminal;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Characters per line; `None` when it is no terminal or does not tell.
pub fn width(fd: BorrowedFd<'_>) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer it is given.
    let asked = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (asked == 0 && size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// Whether it is a terminal that escape sequences for colours are welcome on: `NO_COLOR` is not set, or empty.
pub fn takes_colours(fd: BorrowedFd<'_>) -> bool {
    fd.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Whether it is the writing end of a pipe or socket that nobody reads any more.
pub fn has_no_reader(fd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one pollfd is read and written, and nothing is waited for.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    ready > 0 && poll.revents & libc::POLLERR != 0
}
