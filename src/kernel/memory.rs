//! The process's own memory.

use std::sync::Once;

/// Gives memory that the allocator keeps back to the kernel: worth it after the kernel's BTF was read.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lifts the limit of locked memory, once; whether that was done.
pub fn unlimit_locked() -> bool {
    static DONE: Once = Once::new();
    let mut lifted = false;
    DONE.call_once(|| {
        let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the structure is read, no more.
        lifted = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) } == 0;
    });
    lifted
}
