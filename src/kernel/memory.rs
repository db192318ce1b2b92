//! The process's own memory.

/// Gives memory that the allocator keeps back to the kernel: worth it after the kernel's BTF was read.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lifts the limit of locked memory, against which kernels before 5.11 count maps. Where that is refused the limit stays, and creating
/// a map that is too large fails.
pub fn lift_locked_limit() {
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure is read, not kept.
    unsafe {
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited);
    }
}
