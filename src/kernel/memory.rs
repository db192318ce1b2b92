//! The process's own memory, and the machine's.

/// Gives memory that the allocator keeps back to the kernel: worth it after the kernel's BTF was read.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bytes of memory that the machine has; 0 when it does not say.
pub fn total() -> u64 {
    // SAFETY: all zeros is a valid value of this structure of numbers.
    let mut facts: libc::sysinfo = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours.
    if unsafe { libc::sysinfo(&raw mut facts) } < 0 {
        return 0;
    }
    facts.totalram.saturating_mul(u64::from(facts.mem_unit))
}
