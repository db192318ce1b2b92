//! Why the Docker engine could not be heard.

use std::time::Duration;

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
    /// The error and everything under it, in one line. Never longer than a few lines of a terminal.
    pub fn full(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let next = error.to_string();
            if !text.ends_with(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            source = error.source();
        }
        text.chars().filter(|c| !c.is_control()).take(400).collect()
    }
}
