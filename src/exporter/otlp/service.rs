//! An OTLP exporter: its sender for logs, its pusher for metrics, and the ends of the gadgets' chains.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::config::{Protocol, Settings, Signal};
use super::encode::LogEncoder;
use super::metrics::{Pusher, PusherSettings, Series};
use super::{env, grpc, http};
use crate::batch::{Batch, SourceKind};
use crate::component::{BindError, BoxFuture, ExportError, Exporter, ExporterService, ExporterSource, ExporterStatus};
use crate::exporter::sender::{Chunk, Sender, Transport};
use crate::exporter::series::SeriesSet;
use crate::exporter::{BuildError, ExporterContext};
use crate::telemetry::ExporterEntry;

struct Otlp {
    destination: String,
    sender: Sender,
    pusher: Pusher,
    resource: Arc<Vec<(String, String)>>,
    max_series: usize,
}

/// Starts an exporter.
///
/// # Errors
/// When a setting does not work or a TLS file cannot be read.
pub(super) fn build(
    settings: &serde_json::Value,
    context: &ExporterContext,
    protocol: Protocol,
) -> Result<Arc<dyn ExporterService>, BuildError> {
    let settings = Settings::parse(settings)?;
    if let Some(error) = settings.check(protocol, &env::PROCESS).into_iter().next() {
        return Err(error.into());
    }
    // Connections start background tasks.
    let _runtime = context.runtime.enter();
    let logs = settings.destination(Signal::Logs, protocol, &env::PROCESS)?;
    let metrics = settings.destination(Signal::Metrics, protocol, &env::PROCESS)?;
    let transport = |destination, signal| -> Result<Arc<dyn Transport>, BuildError> {
        Ok(match protocol {
            Protocol::Grpc => Arc::new(grpc::transport(destination, signal)?),
            Protocol::Http => Arc::new(http::transport(destination)?),
        })
    };
    let sender = Sender::spawn(context.id.clone(), settings.sender(logs.timeout), transport(&logs, Signal::Logs)?, &context.runtime);
    let pushed = PusherSettings {
        id: context.id.clone(),
        interval: settings.metrics_interval(&env::PROCESS),
        timeout: metrics.timeout,
        resource: context.resource.clone(),
    };
    let pusher = Pusher::spawn(pushed, transport(&metrics, Signal::Metrics)?, &context.runtime);
    let (resource, max_series) = (context.resource.clone(), settings.max_series());
    Ok(Arc::new(Otlp { destination: logs.uri.to_string(), sender, pusher, resource, max_series }))
}

impl ExporterService for Otlp {
    fn open(&self, source: ExporterSource) -> Result<Box<dyn Exporter>, BindError> {
        let series = SeriesSet::bind(&source, self.max_series)?;
        // Map gadgets are metrics; events stay logs even when the configuration makes metrics of them as well.
        let with_logs = series.is_none() || (source.schema.kind() == SourceKind::Single && !source.metrics.is_empty());
        let logs = with_logs.then(|| LogEncoder::bind(&source.schema, &self.resource)).transpose()?;
        let logs = logs.map(|encoder| Logs {
            limits: self.sender.chunk_limits(),
            encoder,
            sender: self.sender.clone(),
            entry: source.entry.clone(),
            buffer: Vec::new(),
        });
        Ok(Box::new(OtlpExporter { logs, series: series.map(|set| self.pusher.add(set)), entry: source.entry }))
    }

    fn status(&self) -> ExporterStatus {
        ExporterStatus {
            destination: self.destination.clone(),
            queue_bytes: self.sender.queue_bytes(),
            queue_limit: self.sender.queue_limit(),
            failing: self.sender.failing().or_else(|| self.pusher.failing()),
        }
    }

    fn stop(&self, deadline: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            tokio::join!(self.sender.stop(deadline), self.pusher.stop(deadline));
        })
    }
}

/// Events on their way into the sender's queue.
struct Logs {
    encoder: LogEncoder,
    sender: Sender,
    entry: Arc<ExporterEntry>,
    limits: (usize, u64),
    buffer: Vec<u8>,
}

impl Logs {
    fn export(&mut self, batch: &Batch) {
        for row in batch.selection().iter() {
            self.encoder.add(batch, row);
            if self.encoder.bytes() >= self.limits.0 || self.encoder.records() >= self.limits.1 {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if self.encoder.records() == 0 {
            return;
        }
        self.buffer.clear();
        let records = self.encoder.finish(&mut self.buffer);
        self.sender.offer(Chunk { bytes: &self.buffer, records, entry: &self.entry });
    }
}

/// The end of one gadget's chain.
struct OtlpExporter {
    logs: Option<Logs>,
    series: Option<Arc<Series>>,
    entry: Arc<ExporterEntry>,
}

impl Exporter for OtlpExporter {
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError> {
        if let Some(series) = &self.series {
            series.set.lock().unwrap_or_else(PoisonError::into_inner).absorb(batch);
        }
        match &mut self.logs {
            Some(logs) => logs.export(batch),
            None => self.entry.delivered.add(batch.selection().count() as u64),
        }
        Ok(())
    }

    fn flush(&mut self) {
        if let Some(logs) = &mut self.logs {
            logs.flush();
        }
    }
}

impl Drop for OtlpExporter {
    fn drop(&mut self) {
        self.flush();
        if let Some(series) = &self.series {
            series.end();
        }
    }
}
