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

/// Now on the monotonic clock, that of `bpf_ktime_get_ns`, in nanoseconds.
pub fn monotonic_now() -> u64 {
    now(libc::CLOCK_MONOTONIC)
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

/// Clock ticks per second, the unit of CPU times in `/proc`.
pub fn ticks_per_second() -> f64 {
    // SAFETY: sysconf reads a constant and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

/// Seconds east of Greenwich at `unix_seconds` in the machine's time zone; 0 when the C library cannot say.
pub fn zone_offset(unix_seconds: i64) -> i64 {
    zone(unix_seconds).0
}

/// Longest abbreviation of a zone that is kept, in bytes.
pub const ZONE_NAME: usize = 8;

/// Seconds east of Greenwich and the zone's abbreviation (`CEST`, zeros behind it) at `unix_seconds`.
pub fn zone(unix_seconds: i64) -> (i64, [u8; ZONE_NAME]) {
    let mut name = [0; ZONE_NAME];
    let seconds: libc::time_t = unix_seconds;
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; localtime_r writes a whole `tm` or returns null.
    let done = unsafe { libc::localtime_r(&seconds, parts.as_mut_ptr()) };
    if done.is_null() {
        return (0, name);
    }
    // SAFETY: localtime_r has filled it; all zeros would be a valid `tm` as well.
    let parts = unsafe { parts.assume_init() };
    if !parts.tm_zone.is_null() {
        // SAFETY: tm_zone points to a NUL-terminated string that the C library keeps.
        let text = unsafe { std::ffi::CStr::from_ptr(parts.tm_zone) };
        for (to, from) in name.iter_mut().zip(text.to_bytes()) {
            *to = *from;
        }
    }
    (parts.tm_gmtoff, name)
}
