//! The words every component shares: ids, the operator and exporter contracts, their errors.

pub mod duration;
mod id;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use id::{ComponentId, InvalidComponentId};

use crate::batch::{Batch, Schema, SchemaBuilder, SchemaError};
use crate::telemetry::{DropReason, ExporterEntry};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Changes batches on their way: adds columns or takes rows out of the selection.
pub trait Operator: Send {
    /// Finds the fields it reads and adds the fields it makes. Everything that can fail happens here.
    ///
    /// # Errors
    /// When a field is missing, of the wrong kind, or already there.
    fn bind(&mut self, schema: &mut SchemaBuilder) -> Result<(), BindError>;

    /// Works on one batch. The caller counts the rows it took out as filtered.
    fn process(&mut self, batch: &mut Batch);
}

/// The end of one gadget's chain in one exporter. Lives on the gadget's worker thread.
pub trait Exporter: Send {
    /// Takes the selected rows of `batch`. The caller has counted them as accepted.
    ///
    /// On `Ok` the exporter accounts for each of them later, in its [`ExporterEntry`], as delivered or dropped.
    ///
    /// # Errors
    /// When none of the rows was taken; the caller counts them all as dropped for the error's reason.
    fn export(&mut self, batch: &Batch) -> Result<(), ExportError>;

    /// A set of records is complete: what a data source of kind [`Array`](crate::batch::SourceKind::Array) yielded at once. Called on data
    /// sources of that kind only, also when nothing of the set was selected.
    fn end_of_set(&mut self) {}

    /// Hands on whatever is still buffered. Called when the worker has been idle for a moment, and at its end.
    fn flush(&mut self) {}
}

/// What an exporter needs to know about the records that will come.
pub struct ExporterSource {
    /// Their fields.
    pub schema: Arc<Schema>,
    /// Metrics to be made of them, from the configuration.
    pub metrics: Vec<MetricSpec>,
    /// Where the exporter accounts for them.
    pub entry: Arc<ExporterEntry>,
}

/// A metric made of events: an entry of a gadget's `metrics` list.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricSpec {
    /// Name of the metric, OpenTelemetry style with dots.
    pub name: String,
    /// What it counts or measures.
    #[serde(rename = "type")]
    pub kind: MetricKind,
    /// The field whose value is added up, set or observed; without one a counter counts events.
    #[serde(default)]
    pub field: Option<String>,
    /// Fields that become attributes (labels).
    #[serde(default)]
    pub attributes: Vec<String>,
    /// Unit in UCUM notation.
    #[serde(default)]
    pub unit: String,
    /// What it means.
    #[serde(default)]
    pub description: String,
    /// Upper bounds of a histogram's buckets, ascending.
    #[serde(default)]
    pub boundaries: Vec<f64>,
}

/// What kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// The last value.
    Gauge,
    /// A distribution.
    Histogram,
}

/// How an exporter is doing, for the health page and the live line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExporterStatus {
    /// Where its data goes or can be fetched: an URL or a path.
    pub destination: String,
    /// Bytes queued.
    pub queue_bytes: u64,
    /// Upper limit of the queue in bytes; 0 when there is none.
    pub queue_limit: u64,
    /// The last failure, until something succeeds again.
    pub failing: Option<String>,
}

/// One configured exporter, shared by all gadgets that name it. Lives in the control plane.
pub trait ExporterService: Send + Sync {
    /// Makes the end of one gadget's chain.
    ///
    /// # Errors
    /// When the records lack what the exporter needs.
    fn open(&self, source: ExporterSource) -> Result<Box<dyn Exporter>, BindError>;

    /// Opens files anew (SIGHUP).
    fn reopen(&self) {}

    /// How it is doing.
    fn status(&self) -> ExporterStatus;

    /// Delivers what is queued, for at most `deadline`; counts the rest as dropped ([`DropReason::Shutdown`]) and ends.
    fn stop(&self, deadline: Duration) -> BoxFuture<'_, ()>;
}

/// Why an operator or exporter cannot work with a schema.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A field that the data source does not have.
    #[error("data source {source_name:?} has no field {field:?}{}", suggestion.as_ref().map(|s| format!(", did you mean {s:?}?")).unwrap_or_default())]
    UnknownField {
        /// The data source.
        source_name: String,
        /// The name that was looked for.
        field: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },
    /// The field is there but cannot be used so.
    #[error("field {field:?} {problem}")]
    Field {
        /// Its full name.
        field: String,
        /// What is wrong, as the rest of the sentence.
        problem: String,
    },
    /// A field it makes is there already.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Anything else, as a sentence.
    #[error("{0}")]
    Invalid(String),
}

impl BindError {
    /// An unknown field of `schema`, with the nearest name.
    pub fn unknown_field(schema: &Schema, field: &str) -> Self {
        let names = schema.fields().iter().map(|f| f.name.as_str());
        BindError::UnknownField {
            source_name: schema.name().to_owned(),
            field: field.to_owned(),
            suggestion: nearest(field, names).map(str::to_owned),
        }
    }
}

/// Why an exporter took nothing of a batch.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExportError {
    /// Under which reason the rows are counted.
    pub reason: DropReason,
    /// What was being done to what.
    pub message: String,
}

/// The candidate that a mistyped `word` most likely stands for.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let best = candidates.into_iter().map(|c| (strsim::jaro_winkler(&lower, &c.to_lowercase()), c)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.8).then_some(best.1)
}
