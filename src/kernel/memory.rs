//! The process's own memory.

use std::sync::OnceLock;

/// Gives memory that the allocator keeps back to the kernel: worth it after the kernel's BTF was read.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lifts the limit of locked memory, the first time; whether there is none since.
pub fn unlimit_locked() -> bool {
    static LIFTED: OnceLock<bool> = OnceLock::new();
    *LIFTED.get_or_init(|| {
        let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the structure is read, no more.
        let result = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
        result == 0
    })
}
