//! Standard output of `gadgetry run`: each data source in its output mode. Not for configurations.

mod mode;
mod screen;
mod style;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use mode::{Mode, UnsupportedMode};
pub use screen::Screen;

use super::table::FieldChoice;
use crate::batch::Batch;
use crate::component::{BindError, BoxFuture, ExportError, Exporter, ExporterService, ExporterSource, ExporterStatus};
use crate::telemetry::{DropReason, ExporterEntry};
use style::Style;

/// How a data source is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its output mode.
    pub mode: Mode,
    /// The columns in [`Mode::Columns`].
    pub fields: FieldChoice,
}

/// Shows every data source that has a view.
pub struct Terminal {
    views: HashMap<String, View>,
    screen: Arc<Screen>,
}

impl Terminal {
    /// Shows data sources by name; those without a view are not shown.
    pub fn new(views: HashMap<String, View>, screen: Arc<Screen>) -> Self {
        Terminal { views, screen }
    }
}

impl ExporterService for Terminal {
    fn open(&self, source: ExporterSource) -> Result<Box<dyn Exporter>, BindError> {
        let style = match self.views.get(source.schema.name()) {
            Some(view) => Style::bind(view, &source.schema)?,
            None => Style::Nothing,
        };
        Ok(Box::new(Shown { style, screen: self.screen.clone(), entry: source.entry, text: Vec::new() }))
    }

    fn status(&self) -> ExporterStatus {
        ExporterStatus { destination: "stdout".to_owned(), failing: self.screen.failure(), ..ExporterStatus::default() }
    }

    fn stop(&self, _deadline: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The end of one data source's chain.
struct Shown {
    style: Style,
    screen: Arc<Screen>,
    entry: Arc<ExporterEntry>,
    text: Vec<u8>,
}

impl Exporter for Shown {
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError> {
        self.style.begin(&self.screen, &mut self.text);
        let mut rows = 0;
        for row in batch.selection().iter() {
            self.style.push(batch, row, &mut self.text);
            rows += 1;
        }
        match self.show() {
            true => self.entry.delivered.add(rows),
            false => self.entry.count_dropped(DropReason::WriteFailed, rows),
        }
        Ok(())
    }

    fn end_of_set(&mut self) {
        self.style.begin(&self.screen, &mut self.text);
        self.style.end(&mut self.text);
        self.show();
    }
}

impl Shown {
    fn show(&mut self) -> bool {
        let shown = self.text.is_empty() || self.screen.write(&self.text);
        self.text.clear();
        shown
    }
}
