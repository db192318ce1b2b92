//! `gadget_syscall`: the name of a system call of the architecture this runs on.

mod aarch64;
mod x86_64;

use super::unsigned;
use crate::batch::Decode;

/// `SYS_OPENAT`; `SYS_UNKNOWN` for a number without a name.
pub struct Syscall(&'static [(u16, &'static str)]);

impl Syscall {
    /// Names of the host's system calls.
    pub fn host() -> Self {
        Syscall(if cfg!(target_arch = "aarch64") { aarch64::NAMES } else { x86_64::NAMES })
    }

    /// The name without `SYS_`.
    pub fn name(&self, number: u64) -> Option<&'static str> {
        let at = self.0.binary_search_by_key(&number, |(n, _)| u64::from(*n)).ok()?;
        self.0.get(at).map(|(_, name)| *name)
    }
}

impl Decode for Syscall {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"SYS_");
        out.extend_from_slice(self.name(unsigned(raw)).unwrap_or("UNKNOWN").as_bytes());
    }
}

#[cfg(test)]
mod tests;
