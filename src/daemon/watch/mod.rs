//! Notices when what the configuration is made of changes: writes, renames over, symlink swaps, new files in an included
//! directory. What counts is the content: touching a file is no change, and a burst of events is one.

mod fingerprint;
mod notifier;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use fingerprint::Fingerprint;
use notifier::Notifier;

/// How long it must be quiet before files are looked at: an editor's save is several events.
const QUIET: Duration = Duration::from_millis(200);
/// How long a burst may keep putting that off.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often files are looked at without any event: some file systems send none.
const POLL: Duration = Duration::from_secs(15);

/// Watches a set of files and directories.
///
/// Make it before the configuration is loaded, so that no change falls between the two, and tell it with
/// [`follow`](Self::follow) after each load which files that read.
pub struct ConfigWatch {
    notifier: Notifier,
    seen: Fingerprint,
    burst: Option<Burst>,
    next_poll: Instant,
}

/// Events that nothing was done about yet.
struct Burst {
    first: Instant,
    last: Instant,
}

impl ConfigWatch {
    /// Watches `paths`. Without notifications from the system, which is logged, changes are still found, but later.
    pub fn new(paths: &[PathBuf]) -> Self {
        ConfigWatch { notifier: Notifier::new(paths), seen: Fingerprint::of(paths), burst: None, next_poll: Instant::now() + POLL }
    }

    /// Watches `paths` from now on. Those watched before are compared with what they were when a change was last reported.
    pub fn follow(&mut self, paths: &[PathBuf]) {
        self.notifier.follow(paths);
        self.seen = self.seen.extended_to(paths);
    }

    /// Waits until the content of the watched files differs from what it was. Nothing is lost when the future is dropped.
    pub async fn changed(&mut self) {
        loop {
            self.settled().await;
            let (paths, seen) = (self.seen.paths(), self.seen.clone());
            let now = tokio::task::spawn_blocking(move || Fingerprint::of(&paths)).await.unwrap_or(seen);
            self.burst = None;
            self.next_poll = Instant::now() + POLL;
            self.notifier.renew();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// Waits for events and then for quiet, or for the time to look anyway.
    async fn settled(&mut self) {
        loop {
            let due = match &self.burst {
                Some(burst) => (burst.last + QUIET).min(burst.first + PATIENCE),
                None => self.next_poll,
            };
            tokio::select! {
                () = self.notifier.event() => {
                    let now = Instant::now();
                    let first = self.burst.as_ref().map_or(now, |burst| burst.first);
                    self.burst = Some(Burst { first, last: now });
                    if now >= first + PATIENCE {
                        return;
                    }
                }
                () = sleep_until(due) => return,
            }
        }
    }
}
