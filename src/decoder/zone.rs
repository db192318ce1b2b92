//! The local time zone's offset at a moment, as the C library reads it from `TZ` and `/etc/localtime`.

/// Seconds east of Greenwich at `unix_seconds`; 0 when the library cannot say.
pub(super) fn offset(unix_seconds: i64) -> i64 {
    let seconds: libc::time_t = unix_seconds;
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; localtime_r writes a whole `tm` or returns null.
    let done = unsafe { libc::localtime_r(&seconds, parts.as_mut_ptr()) };
    if done.is_null() {
        return 0;
    }
    // SAFETY: localtime_r has filled it; all zeros would be a valid `tm` as well.
    unsafe { parts.assume_init() }.tm_gmtoff
}
