//! The file exporter: events as JSON lines in a rotated file.
//!
//! Workers encode on their own and share the file, locked once per chunk of lines. A line is counted as
//! delivered when the kernel has taken it whole, and as dropped when it has not.

mod config;
mod lines;
mod rotate;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use config::{Config, Rotation};

use super::json::{JsonEncoder, JsonOptions};
use super::{BuildError, ExporterContext, ExporterKind, Settings};
use crate::batch::Batch;
use crate::component::{BindError, BoxFuture, ExportError, Exporter, ExporterService, ExporterSource, ExporterStatus};
use crate::telemetry::{DropReason, ExporterEntry};
use lines::{LineFile, Written};

/// The row of this exporter in the table of components.
pub const KIND: ExporterKind =
    ExporterKind { name: "file", stability: "beta", schema: || schemars::schema_for!(Config), check: Config::check, build };

/// Lines are handed to the kernel in chunks of about this many bytes.
const CHUNK: usize = 256 << 10;
/// A failure that goes on is logged this often.
const REPEAT: Duration = Duration::from_secs(10);

fn build(settings: &serde_json::Value, context: &ExporterContext) -> Result<Arc<dyn ExporterService>, BuildError> {
    let config = Config::sound(settings)?;
    let service = FileService::open(config, context.id.to_string())
        .map_err(|(path, source)| BuildError::System { doing: format!("open {} for appending", path.display()), source })?;
    Ok(Arc::new(service))
}

/// One file, shared by the gadgets that write to it.
struct FileService(Arc<Shared>);

struct Shared {
    id: String,
    path: PathBuf,
    file: Mutex<LineFile>,
    trouble: Mutex<Trouble>,
}

/// The last failure, and when it was logged.
#[derive(Default)]
struct Trouble {
    failing: Option<String>,
    logged: Option<Instant>,
}

impl FileService {
    fn open(config: Config, id: String) -> Result<Self, (PathBuf, std::io::Error)> {
        let file = LineFile::open(config.path.clone(), config.rotation, config.append).map_err(|e| (config.path.clone(), e))?;
        Ok(FileService(Arc::new(Shared { id, path: config.path, file: Mutex::new(file), trouble: Mutex::default() })))
    }
}

impl ExporterService for FileService {
    fn open(&self, source: ExporterSource) -> Result<Box<dyn Exporter>, BindError> {
        let extra = vec![("gadget".to_owned(), source.schema.gadget().instance.clone())];
        let encoder = JsonEncoder::bind(&source.schema, JsonOptions { extra });
        Ok(Box::new(FileExporter { shared: self.0.clone(), encoder, entry: source.entry, buffer: Vec::new() }))
    }

    fn reopen(&self) {
        let result = self.0.file.lock().unwrap_or_else(PoisonError::into_inner).reopen();
        if let Err(error) = result {
            tracing::error!(exporter = self.0.id, path = %self.0.path.display(), error = %error, "cannot reopen file");
        }
    }

    fn status(&self) -> ExporterStatus {
        let failing = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).failing.clone();
        ExporterStatus { destination: self.0.path.display().to_string(), failing, ..ExporterStatus::default() }
    }

    fn stop(&self, _deadline: Duration) -> BoxFuture<'_, ()> {
        // Nothing is queued: every batch has been written or counted as lost.
        Box::pin(std::future::ready(()))
    }
}

/// The end of one gadget's chain.
struct FileExporter {
    shared: Arc<Shared>,
    encoder: JsonEncoder,
    entry: Arc<ExporterEntry>,
    buffer: Vec<u8>,
}

impl Exporter for FileExporter {
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError> {
        let mut lines = 0;
        for row in batch.selection().iter() {
            self.encoder.row(batch, row, &mut self.buffer);
            self.buffer.push(b'\n');
            lines += 1;
            if self.buffer.len() >= CHUNK {
                self.write(std::mem::take(&mut lines));
            }
        }
        self.write(lines);
        Ok(())
    }
}

impl FileExporter {
    fn write(&mut self, lines: u64) {
        if lines == 0 {
            return;
        }
        let written = self.shared.file.lock().unwrap_or_else(PoisonError::into_inner).append(&self.buffer);
        self.buffer.clear();
        let failed = lines.saturating_sub(written.lines);
        self.entry.delivered.add(lines - failed);
        if failed > 0 {
            ExporterEntry::count_dropped(&self.entry, DropReason::WriteFailed, failed);
        }
        self.shared.report(&self.entry.gadget, failed, &written);
    }
}

impl Shared {
    /// Logs a failure, but not more often than every ten seconds, and its end.
    fn report(&self, gadget: &str, failed: u64, written: &Written) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.display();
        let Some(error) = written.error.as_ref().or(written.rotation.as_ref()) else {
            if trouble.failing.take().is_some() {
                trouble.logged = None;
                tracing::info!(exporter = self.id, %path, "file is being written again");
            }
            return;
        };
        trouble.failing = Some(error.to_string());
        if trouble.logged.is_some_and(|at| at.elapsed() < REPEAT) {
            return;
        }
        trouble.logged = Some(Instant::now());
        if written.error.is_some() {
            tracing::error!(exporter = self.id, gadget, %path, %error, lost = failed, "cannot write to file");
        } else {
            tracing::warn!(exporter = self.id, gadget, %path, %error, "cannot rotate file, it grows beyond its limit");
        }
    }
}
