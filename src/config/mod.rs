//! Configuration: YAML files, includes and environment to a checked and resolved [`Plan`], or to all errors at once.

mod diff;
mod document;
mod environment;
mod glob;
mod images;
mod kubernetes;
mod layers;
mod load;
mod model;
mod opened;
mod parse;
mod place;
mod plan;
mod problem;
mod read;
mod resolve;
mod runtimes;
mod scalar;
pub mod schema;
mod substitute;
#[cfg(test)]
mod tests;
mod tree;
pub mod validate;

pub use diff::{Diff, ExporterDiff, diff};
pub use environment::Environment;
pub use load::{load, load_with, view};
pub use model::{LogEncoding, LogLevel, OwnProtocol};
pub use opened::Access;
pub use parse::buffer_size;
pub use plan::{ExporterPlan, GadgetPlan, OperatorPlan, OwnTelemetry, Plan, ServicePlan};
pub use problem::{ConfigErrors, Problem, Severity, render};
