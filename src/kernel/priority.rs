//! Who runs first when there are more threads than CPUs.

use std::io;

/// Nice value of threads that read from the kernel: among ordinary threads theirs is the first turn.
const READER: libc::c_int = -10;

/// Lets the calling thread go first: a ring fills while its reader waits for a CPU, and what does not fit is lost.
///
/// # Errors
/// When the process may not (it lacks `CAP_SYS_NICE`).
pub fn prefer_this_thread() -> io::Result<()> {
    // SAFETY: the call takes numbers only; 0 is the calling thread.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, READER) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
