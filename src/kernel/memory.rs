//! The process's own memory.

/// Gives memory that the allocator keeps back to the kernel: worth it after the kernel's BTF was read.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
