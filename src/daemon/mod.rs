//! The process behind `gadgetry collect`: start, reload, shutdown.

mod error;
mod overview;
mod run;
mod running;
mod services;
mod watch;

pub use error::DaemonError;
pub use overview::{GadgetState, Observer, Overview};
pub use run::{Options, run};
pub use watch::ConfigWatch;
