//! `gadget_signal`: the name of a signal. Numbers from the kernel's `asm-generic/signal.h`, same on x86_64 and aarch64.

use super::{name_or_number, unsigned};
use crate::batch::Decode;

/// `SIGKILL`; `signal#200` for a number without a name.
pub struct Signal;

impl Decode for Signal {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        name_or_number(NAMES, unsigned(raw), b"signal#", out);
    }
}

/// Every name, separated by commas, for the field's `value.one-of`.
pub fn one_of() -> String {
    super::join(NAMES)
}

/// By number; 0 is no signal.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2",
    "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU",
    "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
];
