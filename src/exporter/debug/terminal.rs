//! Standard output, shared by the gadgets of an exporter.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use crate::kernel::terminal;

/// Where the text goes.
pub(super) struct Terminal {
    out: Mutex<Box<dyn Write + Send>>,
    failing: Mutex<Option<String>>,
    /// Whether escape sequences for colours are welcome.
    pub color: bool,
    /// Characters in a line, if it is a terminal.
    pub width: Option<usize>,
}

impl Terminal {
    /// Standard output, coloured when it is a terminal and `NO_COLOR` is not set.
    pub fn stdout() -> Self {
        let out = io::stdout();
        let (width, color) = (terminal::width(out.as_fd()), terminal::takes_colours(out.as_fd()));
        Terminal { width, ..Terminal::new(Box::new(out), color) }
    }

    /// Any writer.
    pub fn new(out: Box<dyn Write + Send>, color: bool) -> Self {
        Terminal { out: Mutex::new(out), failing: Mutex::default(), color, width: None }
    }

    /// Writes `text` as one piece. A closed pipe is an error like any other.
    pub fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let result = out.write_all(text).and_then(|()| out.flush());
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Err(error)) = (&*failing, &result) {
            tracing::error!(%error, "cannot write to standard output, events are dropped until that works again");
        }
        *failing = result.as_ref().err().map(ToString::to_string);
        result
    }

    /// Why the last text was not written.
    pub fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
