//! Standard output, shared by the data sources of a gadget.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::kernel::terminal;

/// Where the text goes.
pub struct Screen {
    out: Mutex<Box<dyn Write + Send>>,
    failure: Mutex<Option<io::Error>>,
    ended: CancellationToken,
    is_terminal: bool,
    colours: bool,
}

impl Screen {
    /// Standard output, coloured when it is a terminal and `NO_COLOR` is not set.
    pub fn stdout() -> Self {
        let out = io::stdout();
        let (is_terminal, colours) = (out.is_terminal(), terminal::takes_colours(out.as_fd()));
        Screen { is_terminal, colours, ..Screen::new(Box::new(out)) }
    }

    /// Any writer; no terminal.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        let ended = CancellationToken::new();
        Screen { out: Mutex::new(out), failure: Mutex::default(), ended, is_terminal: false, colours: false }
    }

    /// Writes `text` as one piece. After a failure nothing is written any more.
    pub(super) fn write(&self, text: &[u8]) -> bool {
        if self.ended.is_cancelled() {
            return false;
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.write_all(text).and_then(|()| out.flush()) {
            Ok(()) => true,
            Err(error) => {
                // Whoever closed the pipe has seen enough.
                if error.kind() != io::ErrorKind::BrokenPipe {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                self.ended.cancel();
                false
            }
        }
    }

    /// Cancelled when nothing can be written any more.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Notices, without writing, that the reader of the pipe has gone.
    pub fn probe(&self) {
        if terminal::has_no_reader(io::stdout().as_fd()) {
            self.ended.cancel();
        }
    }

    /// Why nothing could be written; `None` also when a pipe was closed.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ToString::to_string)
    }

    /// Characters per line, where lines have an end.
    pub(super) fn width(&self) -> Option<usize> {
        if self.is_terminal { Some(terminal::width(io::stdout().as_fd()).unwrap_or(80)) } else { None }
    }

    /// Whether it is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether escape sequences for colours are welcome.
    pub(super) fn colours(&self) -> bool {
        self.colours
    }
}
