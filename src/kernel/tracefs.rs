//! The ids of tracepoints, from tracefs wherever it is, mounted or not.

use std::ffi::{CStr, CString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;

use super::host_path;

const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const FSCONFIG_CMD_CREATE: libc::c_long = 6;
const CLOEXEC: libc::c_long = 1;

/// The id of a tracepoint, which `perf_event_open` takes.
///
/// # Errors
/// NotFound when the kernel does not have it; whatever opening tracefs fails with.
pub fn tracepoint_id(category: &str, name: &str) -> io::Result<u64> {
    if [category, name].iter().any(|part| part.is_empty() || part.contains('/') || part.starts_with('.')) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{category}/{name} is not a tracepoint")));
    }
    let path = CString::new(format!("events/{category}/{name}/id"))?;
    let text = read_below(root()?.as_fd(), &path)?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("tracepoint id {text:?}")))
}

/// The directory is opened once and kept, since a gadget has many tracepoints.
fn root() -> io::Result<OwnedFd> {
    static ROOT: Mutex<Option<OwnedFd>> = Mutex::new(None);
    let mut root = ROOT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(fd) = root.as_ref() {
        return fd.try_clone();
    }
    let found = mounted().map_or_else(|| detached(c"tracefs"), Ok)?;
    let fd = found.try_clone()?;
    *root = Some(found);
    Ok(fd)
}

fn mounted() -> Option<OwnedFd> {
    let place = PLACES.iter().map(|place| host_path(Path::new(place))).find(|place| place.join("events").exists())?;
    std::fs::File::open(place).ok().map(OwnedFd::from)
}

/// A file system of our own that is in nobody's mount table, for systems and containers where none is mounted (5.2 and newer).
pub(super) fn detached(kind: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name is a NUL-terminated string.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC) })?;
    let (fd, none) = (context.as_raw_fd(), std::ptr::null::<libc::c_char>());
    // SAFETY: this command takes neither key nor value.
    let created = unsafe { libc::syscall(libc::SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, none, none, 0) };
    if created < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, fd, CLOEXEC, 0) })
}

fn read_below(directory: BorrowedFd<'_>, path: &CStr) -> io::Result<String> {
    // SAFETY: `path` is NUL-terminated.
    let fd = owned(unsafe { libc::openat(directory.as_raw_fd(), path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) }.into())?;
    let mut text = String::new();
    std::fs::File::from(fd).read_to_string(&mut text)?;
    Ok(text)
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}
