//! The debug exporter: events on the terminal, for people.

mod config;
mod terminal;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use config::{Config, Format, Verbosity};

use super::json::{JsonEncoder, JsonOptions, push_indented};
use super::table::{Columns, FieldChoice};
use super::{BuildError, ExporterContext, ExporterKind, SettingError};
use crate::batch::Batch;
use crate::component::{BindError, BoxFuture, ExportError, Exporter, ExporterService, ExporterSource, ExporterStatus};
use crate::telemetry::{DropReason, ExporterEntry};
use terminal::Terminal;

/// The row of this exporter in the table of components.
pub const KIND: ExporterKind = ExporterKind { name: "debug", stability: "beta", schema: || schemars::schema_for!(Config), check, build };

/// With verbosity basic, a line at most this often.
const PERIOD: Duration = Duration::from_secs(1);

fn check(settings: &serde_json::Value) -> Vec<SettingError> {
    Config::read(settings).err().into_iter().collect()
}

fn build(settings: &serde_json::Value, _context: &ExporterContext) -> Result<Arc<dyn ExporterService>, BuildError> {
    Ok(Arc::new(DebugService { config: Config::read(settings)?, terminal: Arc::new(Terminal::stdout()) }))
}

struct DebugService {
    config: Config,
    terminal: Arc<Terminal>,
}

impl ExporterService for DebugService {
    fn open(&self, source: ExporterSource) -> Result<Box<dyn Exporter>, BindError> {
        let json = || JsonEncoder::bind(&source.schema, JsonOptions::default());
        let style = match (self.config.verbosity, self.config.format) {
            (Verbosity::Basic, _) => Style::Summary { pending: 0, shown: None },
            (Verbosity::Normal, Format::Columns) => Style::Table { table: self.table(&source)?, header: false },
            (Verbosity::Normal, Format::Json) => Style::Json(json()),
            (Verbosity::Detailed, _) => Style::Pretty { encoder: json(), line: Vec::new() },
        };
        let gadget = source.schema.gadget().instance.clone();
        Ok(Box::new(DebugExporter { gadget, style, terminal: self.terminal.clone(), entry: source.entry, text: Vec::new() }))
    }

    fn status(&self) -> ExporterStatus {
        ExporterStatus { destination: "stdout".to_owned(), failing: self.terminal.failing(), ..ExporterStatus::default() }
    }

    fn stop(&self, _deadline: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl DebugService {
    /// A table as wide as the terminal, if there is one.
    fn table(&self, source: &ExporterSource) -> Result<Columns, BindError> {
        let mut table = Columns::bind(&source.schema, &FieldChoice::default())?;
        if self.terminal.width.is_some() {
            table.fit(self.terminal.width);
        }
        Ok(table)
    }
}

/// How events are shown.
enum Style {
    Summary { pending: u64, shown: Option<Instant> },
    Table { table: Columns, header: bool },
    Json(JsonEncoder),
    Pretty { encoder: JsonEncoder, line: Vec<u8> },
}

/// The end of one gadget's chain.
struct DebugExporter {
    gadget: String,
    style: Style,
    terminal: Arc<Terminal>,
    entry: Arc<ExporterEntry>,
    text: Vec<u8>,
}

impl Exporter for DebugExporter {
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError> {
        let rows = batch.selection().count() as u64;
        if let Style::Summary { pending, .. } = &mut self.style {
            *pending += rows;
            self.summarize(false);
            return Ok(());
        }
        if rows == 0 {
            return Ok(());
        }
        self.begin();
        for row in batch.selection().iter() {
            self.style.push(batch, row, &mut self.text);
        }
        self.write(rows);
        Ok(())
    }

    fn flush(&mut self) {
        self.summarize(false);
    }
}

impl Drop for DebugExporter {
    fn drop(&mut self) {
        self.summarize(true);
    }
}

impl DebugExporter {
    /// The table's header, once.
    fn begin(&mut self) {
        let Style::Table { table, header: header @ false } = &mut self.style else { return };
        *header = true;
        table.header(self.terminal.color, &mut self.text);
    }

    /// Shows how many events there were, unless that was done a moment ago.
    fn summarize(&mut self, now: bool) {
        let Style::Summary { pending, shown } = &mut self.style else { return };
        if *pending == 0 || (!now && shown.is_some_and(|at| at.elapsed() < PERIOD)) {
            return;
        }
        let rows = std::mem::take(pending);
        *shown = Some(Instant::now());
        let unit = if rows == 1 { "event" } else { "events" };
        // Writing to a vector does not fail.
        let _ = writeln!(self.text, "{}: {rows} {unit}", self.gadget);
        self.write(rows);
    }

    fn write(&mut self, rows: u64) {
        match self.terminal.write(&self.text) {
            Ok(()) => self.entry.delivered.add(rows),
            Err(_) => self.entry.count_dropped(DropReason::WriteFailed, rows),
        }
        self.text.clear();
    }
}

impl Style {
    fn push(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) {
        match self {
            Style::Summary { .. } => {}
            Style::Table { table, .. } => table.row(batch, row, out),
            Style::Json(encoder) => {
                encoder.row(batch, row, out);
                out.push(b'\n');
            }
            Style::Pretty { encoder, line } => {
                line.clear();
                encoder.row(batch, row, line);
                push_indented(out, line, 0);
                out.push(b'\n');
            }
        }
    }
}
