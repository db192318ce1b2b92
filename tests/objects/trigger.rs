//! What tests do to make programs run: system calls that nothing else in this process makes.

/// Calls getppid `count` times in this thread.
pub fn getppid(count: usize) {
    for _ in 0..count {
        // SAFETY: the call takes nothing and cannot fail.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}

/// This thread's id, as a parameter.
pub fn thread() -> String {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::gettid() }.to_string()
}
