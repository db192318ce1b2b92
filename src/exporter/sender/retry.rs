//! When to try again: exponential back-off with jitter, at least as long as the receiver asks for.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::RetrySettings;

/// Longest pause that a receiver can demand, so that a lying one cannot stop delivery for good.
const MAX_DEMAND: Duration = Duration::from_secs(300);

/// The waits between the attempts of one request.
pub(super) struct Backoff<'a> {
    settings: &'a RetrySettings,
    interval: Duration,
    started: Instant,
}

impl<'a> Backoff<'a> {
    /// Starts the clock of `max_elapsed_time`.
    pub(super) fn new(settings: &'a RetrySettings) -> Self {
        Backoff { settings, interval: settings.initial_interval, started: Instant::now() }
    }

    /// How long to wait before the next attempt, if there is to be one.
    pub(super) fn next(&mut self, demanded: Option<Duration>) -> Option<Duration> {
        if !self.settings.enabled {
            return None;
        }
        let spread = 1.0 + self.settings.randomization_factor * (2.0 * fastrand::f64() - 1.0);
        let jittered = scaled(self.interval, spread);
        self.interval = scaled(self.interval, self.settings.multiplier).min(self.settings.max_interval);
        let wait = jittered.max(demanded.unwrap_or_default().min(MAX_DEMAND));
        let limit = self.settings.max_elapsed_time;
        (limit.is_zero() || self.started.elapsed() + wait <= limit).then_some(wait)
    }
}

fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(duration)
}
