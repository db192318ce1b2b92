//! The kernel's boot-time clock against wall time.

use std::sync::atomic::{AtomicI64, Ordering};

static OFFSET: AtomicI64 = AtomicI64::new(0);

/// Measures wall time minus boot time anew, so that later clock steps are followed. Cheap (two vDSO calls): once per batch.
pub fn refresh() {
    let offset = now(libc::CLOCK_REALTIME) as i64 - now(libc::CLOCK_BOOTTIME) as i64;
    OFFSET.store(offset, Ordering::Relaxed);
}

/// Wall time of a `bpf_ktime_get_boot_ns()` value, in nanoseconds since the Unix epoch; 0 stands for now.
pub fn boot_to_unix(boot_ns: u64) -> u64 {
    if boot_ns == 0 {
        return unix_now();
    }
    if OFFSET.load(Ordering::Relaxed) == 0 {
        refresh();
    }
    boot_ns.wrapping_add_signed(OFFSET.load(Ordering::Relaxed))
}

/// Now, in nanoseconds since the Unix epoch.
pub fn unix_now() -> u64 {
    now(libc::CLOCK_REALTIME)
}

/// Now on the boot-time clock, in nanoseconds.
pub fn boot_now() -> u64 {
    now(libc::CLOCK_BOOTTIME)
}

fn now(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec that outlives the call.
    unsafe { libc::clock_gettime(clock, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
