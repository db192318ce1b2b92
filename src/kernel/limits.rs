//! Limits of this process that loading programs runs into.

use std::io;
use std::sync::{Once, OnceLock};

/// Descriptors that are enough for the largest gadgets: one each for programs and maps, two for most attachments.
const DESCRIPTORS: libc::rlim_t = 1 << 16;
/// From this version on the kernel counts memory of maps and programs per cgroup, not against RLIMIT_MEMLOCK.
const MEMORY_PER_CGROUP: (u32, u32) = (5, 11);

/// Raises the limits of open descriptors and, where it counts, of locked memory, as far as this process may. Does so once.
pub fn raise() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log("open files", raise_one(libc::RLIMIT_NOFILE, DESCRIPTORS));
        if version(&super::features::kernel_release()) < MEMORY_PER_CGROUP {
            lift_locked_memory();
        }
    });
}

/// Lifts the limit of locked memory, the first time; whether that worked.
pub(super) fn lift_locked_memory() -> bool {
    static LIFTED: OnceLock<bool> = OnceLock::new();
    *LIFTED.get_or_init(|| {
        let raised = raise_one(libc::RLIMIT_MEMLOCK, libc::RLIM_INFINITY);
        let lifted = raised.is_ok();
        log("locked memory", raised);
        lifted
    })
}

fn log(limit: &str, raised: io::Result<()>) {
    if let Err(error) = raised {
        tracing::debug!(limit, error = &error as &dyn std::error::Error, "a limit of this process could not be raised");
    }
}

/// To `wanted`; when that is more than this process may have, to as much as it may.
fn raise_one(what: libc::__rlimit_resource_t, wanted: libc::rlim_t) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours and the kernel fills it.
    check(unsafe { libc::getrlimit(what, &raw mut limit) })?;
    if limit.rlim_cur >= wanted {
        return Ok(());
    }
    let whole = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    // SAFETY: the structure is read only.
    check(unsafe { libc::setrlimit(what, &raw const whole) }).or_else(|_| {
        let part = libc::rlimit { rlim_cur: limit.rlim_max.min(wanted), rlim_max: limit.rlim_max };
        // SAFETY: as above.
        check(unsafe { libc::setrlimit(what, &raw const part) })
    })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The first two numbers of a kernel release.
pub(super) fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
