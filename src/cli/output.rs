//! Writing to the terminal or the pipe: a reader that went away ends the output quietly.

use std::io::{self, Write};
use std::os::fd::AsFd;

use super::exit::Failure;
use crate::kernel::terminal;
use crate::telemetry::terminal::Terminal;

/// Writes to standard output.
pub(super) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Failure::RunTime(format!("write to standard output: {error}").into())),
    }
}

/// Writes lines to standard error. There is nowhere to report to when that fails.
pub(super) fn error(text: &str) {
    let _ = Terminal.write_all(format!("{text}\n").as_bytes());
}

/// Whether standard output is a terminal that wants colours.
pub(super) fn colours() -> bool {
    terminal::takes_colours(io::stdout().as_fd())
}
