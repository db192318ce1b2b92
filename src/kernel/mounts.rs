//! File systems of the kernel's own that are mounted for nobody but us.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const FSCONFIG_CMD_CREATE: libc::c_long = 6;
const CLOEXEC: libc::c_long = 1;

/// The root of a file system (`tracefs`, `securityfs`, ...) that is in nobody's mount table, for systems and containers where it
/// is not mounted (5.2 and newer). The descriptor is a path only: open `.` below it to read it.
///
/// # Errors
/// The kernel's: it does not know the file system, or this process may not mount.
pub fn detached(kind: &CStr) -> io::Result<OwnedFd> {
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

/// Opens a path below a directory.
///
/// # Errors
/// The kernel's.
pub fn open_below(directory: &OwnedFd, path: &CStr, flags: libc::c_int) -> io::Result<std::fs::File> {
    // SAFETY: `path` is NUL-terminated.
    let fd = unsafe { libc::openat(directory.as_raw_fd(), path.as_ptr(), flags | libc::O_CLOEXEC) };
    owned(fd.into()).map(std::fs::File::from)
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}
