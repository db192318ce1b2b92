//! Standard error, shared by the log and a live line that stands at its end while it is a terminal.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the live line stands there.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Standard error below which the live line makes room for what is written. Nothing is kept back: each write is whole lines.
pub struct Terminal;

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stderr().lock();
        if SHOWN.swap(false, Ordering::Relaxed) {
            out.write_all(b"\r\x1b[K")?;
        }
        out.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Writes the live line in the place of the one before.
///
/// # Errors
/// When the terminal is gone.
pub fn show(line: &str) -> io::Result<()> {
    Terminal.write_all(line.as_bytes())?;
    SHOWN.store(true, Ordering::Relaxed);
    Terminal.flush()
}
