//! Copies what programs print to the log, while a gadget runs.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::kernel::tracefs;

/// How often it looks, and so how long stopping takes at most.
const PAUSE: Duration = Duration::from_millis(50);
/// Most lines that are logged per second; the rest is counted.
const LINES_PER_SECOND: usize = 1000;
/// Longest line; the rest of it begins another one.
const LINE: usize = 4096;

/// The thread that copies. Dropping it ends it.
pub(super) struct TracePipe {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TracePipe {
    /// Begins to copy.
    pub(super) fn start(gadget: &str) -> io::Result<Self> {
        let pipe = tracefs::trace_pipe()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut copier = Copier { gadget: gadget.to_owned(), line: Vec::with_capacity(LINE), lines: 0, skipped: 0, since: Instant::now() };
        let stopped = stop.clone();
        let body = move || copier.run(pipe, &stopped);
        let thread = std::thread::Builder::new().name(format!("trace {gadget}")).spawn(body)?;
        Ok(TracePipe { stop, thread: Some(thread) })
    }
}

impl Drop for TracePipe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Copier {
    gadget: String,
    line: Vec<u8>,
    /// Lines logged, and not logged, since `since`.
    lines: usize,
    skipped: usize,
    since: Instant,
}

impl Copier {
    fn run(&mut self, mut pipe: impl Read, stop: &AtomicBool) {
        let mut buffer = [0; LINE];
        loop {
            // Looked at before reading: what was printed before the end is still copied.
            let last = stop.load(Ordering::Relaxed);
            match pipe.read(&mut buffer) {
                Ok(0) => {}
                Ok(count) => {
                    self.take(buffer.get(..count).unwrap_or_default());
                    if !last {
                        continue;
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => {
                    tracing::warn!(
                        gadget = self.gadget,
                        error = &error as &dyn std::error::Error,
                        "what programs print can no longer be read"
                    );
                    return;
                }
            }
            self.account();
            if last {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
            }
            if *byte == b'\n' || self.line.len() == LINE {
                self.log();
            }
        }
    }

    fn log(&mut self) {
        self.account();
        if self.lines < LINES_PER_SECOND {
            self.lines += 1;
            tracing::info!(gadget = self.gadget, line = %String::from_utf8_lossy(&self.line).trim(), "a program prints");
        } else {
            self.skipped += 1;
        }
        self.line.clear();
    }

    /// Each second the count begins anew.
    fn account(&mut self) {
        if self.since.elapsed() < Duration::from_secs(1) {
            return;
        }
        if self.skipped > 0 {
            tracing::info!(gadget = self.gadget, skipped = self.skipped, "programs print more lines than are logged");
        }
        (self.lines, self.skipped, self.since) = (0, 0, Instant::now());
    }
}
