//! A bar for images on the move: on a terminal, and only when it takes long enough to be read.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_millis(300);

/// How far it is.
pub(super) struct Bar {
    what: &'static str,
    began: Instant,
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// Not visible yet; `what` is being done.
    pub(super) fn new(what: &'static str) -> Self {
        Bar { what, began: Instant::now(), wanted: stderr().is_terminal(), bar: None }
    }

    /// So many bytes of how many have been moved.
    pub(super) fn at(&mut self, done: u64, total: u64) {
        if self.wanted && self.bar.is_none() && self.began.elapsed() > PATIENCE {
            let style = ProgressStyle::with_template("{prefix} {bar:30} {bytes}/{total_bytes}");
            let bar = ProgressBar::new(total).with_prefix(self.what);
            self.bar = Some(style.map(|style| bar.clone().with_style(style)).unwrap_or(bar));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// Takes it away.
    pub(super) fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
