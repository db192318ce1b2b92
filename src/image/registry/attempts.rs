//! How often and how long is tried: what passes away is tried again after growing waits, all else is the end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Progress;
use super::error::RegistryError;
use super::fault::Fault;
use crate::image::ImageError;

/// How long a registry is borne with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts of each request.
    pub attempts: u32,
    /// Wait after the first failure; it doubles with each.
    pub first_wait: Duration,
    /// The longest wait, also where the registry asks for more.
    pub longest_wait: Duration,
    /// Without a byte for so long an attempt is over.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let (first_wait, longest_wait) = (Duration::from_millis(500), Duration::from_secs(30));
        Patience { attempts: 5, first_wait, longest_wait, stall: Duration::from_secs(30) }
    }
}

/// What is being done, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    /// Its image.
    pub reference: &'a str,
    /// The registry.
    pub host: &'a str,
    /// `fetch`, `push`...
    pub verb: &'a str,
    /// `manifest (amd64)`, ...
    pub what: &'a str,
    /// Without TLS, and so without credentials.
    pub plain: bool,
    /// What has been told of the registry's silence.
    pub silence: &'a Silence,
}

/// Until which attempt it has been told that a registry cannot be reached: all tasks find that out at once, one says it.
#[derive(Debug, Default)]
pub(super) struct Silence(AtomicU32);

impl Silence {
    /// Whether that attempt is the first of its number.
    fn is_news(&self, attempt: u32) -> bool {
        self.0.fetch_max(attempt, Ordering::Relaxed) < attempt
    }

    /// The registry has answered.
    pub fn broken(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The attempts of one task.
pub(super) struct Attempts<'a> {
    patience: Patience,
    task: Task<'a>,
    progress: &'a dyn Progress,
    count: u32,
}

impl<'a> Attempts<'a> {
    pub fn new(patience: Patience, task: Task<'a>, progress: &'a dyn Progress) -> Self {
        Attempts { patience, task, progress, count: 0 }
    }

    /// An attempt has failed: waits before the next.
    ///
    /// # Errors
    /// When there is to be no other.
    pub async fn failed(&mut self, fault: Fault) -> Result<(), RegistryError> {
        self.count += 1;
        let Task { reference, host, verb, what, silence, .. } = self.task;
        let (text, after, of_all) = match fault {
            Fault::Passing { text, after } if self.count < self.patience.attempts => (text, after, false),
            Fault::Unreachable(text) if self.count < self.patience.attempts => (text, None, true),
            last => return Err(self.end(last)),
        };
        let (wait, next, most) = (self.wait(after), self.count + 1, self.patience.attempts);
        if !of_all || silence.is_news(next) {
            let what = if of_all { reference } else { what };
            let seconds = wait.as_secs_f64();
            self.progress.note(&format!("cannot {verb} {what} yet: registry {host}: {text}; attempt {next} of {most} in {seconds:.1} s"));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Whether none has failed yet.
    pub fn is_first(&self) -> bool {
        self.count == 0
    }

    fn wait(&self, after: Option<Duration>) -> Duration {
        let doubled = self.patience.first_wait.saturating_mul(1u32.checked_shl(self.count.saturating_sub(1)).unwrap_or(u32::MAX));
        // Many clients that failed together must not come back together.
        let spread = doubled.mul_f64(0.75 + fastrand::f64() / 2.0);
        after.unwrap_or(spread).min(self.patience.longest_wait)
    }

    /// The end of it.
    pub fn end(&self, fault: Fault) -> RegistryError {
        let Task { reference, host, verb, what, plain, .. } = self.task;
        let (doing, registry) = (format!("{verb} {what}"), host.to_owned());
        match fault {
            Fault::Absent => RegistryError::Absent { doing, registry },
            Fault::Denied(reason) => {
                let hint = match plain {
                    true => "credentials are not told without TLS".to_owned(),
                    false => format!("`gadgetry login {registry}` keeps credentials for it"),
                };
                RegistryError::Denied { doing, registry, reason, hint }
            }
            Fault::Passing { text: reason, .. } | Fault::Unreachable(reason) | Fault::Final(reason) => {
                RegistryError::Failed { doing, registry, reason, attempts: self.count }
            }
            Fault::Wrong(reason) => RegistryError::Refused { what: what.to_owned(), registry, reason },
            Fault::Store(source) => match *source {
                ImageError::Blob { reason, .. } => RegistryError::Refused { what: what.to_owned(), registry, reason },
                other => RegistryError::Store { reference: reference.to_owned(), source: Box::new(other) },
            },
        }
    }
}
