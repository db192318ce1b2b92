//! Verifies and loads single programs, and makes the verifier's words readable.

use std::io;
use std::os::fd::OwnedFd;

use super::error::{LoadError, explain_permission};
use crate::kernel::verifier::{self, Code, ModuleTypes};

/// How many of the verifier's last lines go into an error.
pub(super) const LOG_LINES: usize = 20;

/// New kernels keep the end of a log that is too long, old ones the beginning; so the second try is with plenty.
const LOG_SIZES: [usize; 2] = [64 << 10, 8 << 20];

/// Loads a program that may as well be refused.
pub(super) fn try_load(code: &Code<'_>, modules: ModuleTypes<'_>) -> io::Result<OwnedFd> {
    retried(|| verifier::load_program_with(code, modules, &mut []))
}

/// Loads a program; only when that fails once more, with a log.
pub(super) fn load(code: &Code<'_>, modules: ModuleTypes<'_>) -> Result<OwnedFd, LoadError> {
    let refused = match retried(|| verifier::load_program_with(code, modules, &mut [])) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let mut text = String::new();
    for size in LOG_SIZES {
        let mut log = vec![0; size];
        let result = retried(|| verifier::load_program_with(code, modules, &mut log));
        text = last_lines(&log, LOG_LINES);
        match result {
            Ok(program) => return Ok(program),
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {}
            Err(_) => break,
        }
    }
    Err(refusal(code.name, text, refused))
}

/// A verification that a signal interrupts is to be started again.
fn retried(load: impl FnMut() -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    let mut load = load;
    for _ in 0..5 {
        match load() {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            other => return other,
        }
    }
    load()
}

fn refusal(program: &str, log: String, source: io::Error) -> LoadError {
    let doing = || format!("load program {program:?}");
    match source.raw_os_error() {
        Some(libc::EPERM) if log.is_empty() => LoadError::Permission { doing: doing(), reason: explain_permission(), source },
        _ if log.is_empty() => LoadError::kernel(doing(), source),
        _ => LoadError::Verifier { program: program.to_owned(), log: explained(log), source },
    }
}

/// With what a call means that stands where the kernel lacks what the program asks for.
fn explained(log: String) -> String {
    if !log.contains("unknown#195896080") {
        return log;
    }
    format!("{log}\n(the call of func unknown#195896080 stands for a type, field or value of the kernel that this kernel does not have)")
}

/// The last lines of a NUL-terminated log.
pub(super) fn last_lines(log: &[u8], count: usize) -> String {
    let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
    let text = String::from_utf8_lossy(log.get(..end).unwrap_or_default());
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}
