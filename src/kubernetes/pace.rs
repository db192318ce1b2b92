//! How patient we are with the API server.

use std::time::Duration;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// First pause between attempts; each is twice the one before.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
    /// The pause after a refusal, which only a person can change.
    pub refused: Duration,
    /// Silence after which the API server is asked whether it is still there.
    pub silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let [first, longest, refused, silence] = [250, 15_000, 15_000, 30_000].map(Duration::from_millis);
        Pace { first, longest, refused, silence }
    }
}
