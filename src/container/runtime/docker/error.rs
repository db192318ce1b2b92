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
    /// The error and its innermost cause, in one line of at most 400 characters. What the HTTP layers between say helps nobody.
    pub fn full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(deeper) = cause.and_then(std::error::Error::source) {
            cause = Some(deeper);
        }
        if let Some(cause) = cause.map(ToString::to_string).filter(|c| !text.ends_with(c.as_str())) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text.chars().filter(|c| !c.is_control()).take(400).collect()
    }
}
