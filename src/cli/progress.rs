//! How far a transfer is, on standard error: bars on a terminal; elsewhere only what is worth a line.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output;
use crate::image::registry::Progress;

/// Bars that are shown at a time; what is small is gone before it could be read.
const TEMPLATE: &str = "{prefix:>28} {bar:30} {bytes:>10}/{total_bytes:<10} {msg}";

/// What shows transfers on this process's standard error.
pub(super) fn transfers() -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() { Box::new(Bars::default()) } else { Box::new(Lines) }
}

/// Notes alone.
struct Lines;

impl Progress for Lines {
    fn begin(&self, _: &str, _: &str, _: u64) {}
    fn at(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: bool) {}
    fn note(&self, text: &str) {
        output::error(text);
    }
}

/// A bar per blob.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    by_digest: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn bar(&self, digest: &str) -> Option<ProgressBar> {
        self.by_digest.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }
}

impl Progress for Bars {
    fn begin(&self, digest: &str, what: &str, total: u64) {
        // A template that is wrong leaves indicatif's own.
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.all.add(ProgressBar::new(total));
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(what.to_owned());
        self.by_digest.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.to_owned(), bar);
    }

    fn at(&self, digest: &str, bytes: u64) {
        if let Some(bar) = self.bar(digest) {
            bar.set_position(bytes);
        }
    }

    fn end(&self, digest: &str, skipped: bool) {
        if let Some(bar) = self.bar(digest) {
            bar.set_position(bar.length().unwrap_or_default());
            bar.finish_with_message(if skipped { "there already" } else { "done" });
        }
    }

    fn note(&self, text: &str) {
        // Where the terminal is gone there is nobody to tell.
        let _ = self.all.println(text);
    }
}
