//! Why the Docker engine could not be heard.

use std::time::Duration;

use super::super::reason;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The engine did not answer in time.
    #[error("{doing}: no answer within {limit:?}")]
    Timeout {
        /// What was asked.
        doing: &'static str,
        /// How long we waited.
        limit: Duration,
    },
    /// The engine could not be reached, or answered something that is not its API.
    #[error("{doing}")]
    Api {
        /// What was asked.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: Box<bollard::errors::Error>,
    },
    /// What is asked without bollard, an inspection or Podman's own API, could not be asked, or the answer was something else.
    #[error("{doing}")]
    Own {
        /// What was asked.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The engine closed its stream of events.
    #[error("event stream ended")]
    EventsEnded,
    /// The event stream went on and on without an event in it.
    #[error("event longer than {0} bytes")]
    EventTooLong(usize),
    /// More events arrived while the containers were being listed than are kept.
    #[error("more than {0} events while listing containers")]
    TooManyEvents(usize),
}

impl DockerError {
    /// The error and its innermost cause, in one line of at most 400 characters.
    pub fn full(&self) -> String {
        reason::one_line(self)
    }
}
