//! The process behind `gadgetry collect`: start, reload, shutdown. And the one behind `gadgetry run`, in `oneshot`.

mod error;
pub mod oneshot;
mod overview;
mod run;
mod running;
mod services;
mod watch;

pub use error::DaemonError;
pub use overview::{GadgetState, Observer, Overview};
pub use run::{Options, run};
pub use watch::ConfigWatch;
