//! A gadget at work: its data sources, the operators behind them, the exporters at the end, and the thread that drives them.

mod build;
mod error;
mod instance;
mod lane;
mod pacer;
mod scope;
mod selection;
#[cfg(test)]
mod tests;
mod waiting;
mod worker;

pub use build::{Context, Exporters, Selecting, assemble, build, schemas};
pub use error::PipelineError;
pub use instance::{Instance, State};
