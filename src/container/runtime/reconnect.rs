//! The life of a client: connects, follows until it is told nothing more, waits, tries again. Says each change of state once.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{RuntimeState, RuntimeStatus};
use crate::container::inventory::Inventory;
use crate::kernel::clock;

/// First and longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A daemon's client.
pub(super) trait Client: Sync {
    /// One connection from its beginning to its end. Calls [`Link::connected`] once all containers are in the inventory and news
    /// of them arrives. Returns why it ended, in one line.
    fn session(&self, link: &Link<'_>) -> impl Future<Output = String> + Send;
}

/// What a session works on.
pub(super) struct Link<'a> {
    /// Where containers are written to.
    pub inventory: &'a Inventory,
    /// Name of the runtime.
    pub name: &'static str,
    /// Its socket.
    pub socket: &'a Path,
    connected: AtomicBool,
    /// Whether the log has said that the daemon is waited for.
    waiting: AtomicBool,
}

impl<'a> Link<'a> {
    /// A link that is not connected yet, which the inventory's statuses say.
    pub fn new(inventory: &'a Inventory, name: &'static str, socket: &'a Path) -> Self {
        let link = Link { inventory, name, socket, connected: AtomicBool::new(false), waiting: AtomicBool::new(false) };
        link.report(RuntimeState::Connecting);
        link
    }

    /// Notes that all containers are in the inventory and news of them arrives.
    pub fn connected(&self) {
        self.inventory.publish();
        self.connected.store(true, Ordering::Relaxed);
        self.waiting.store(false, Ordering::Relaxed);
        tracing::info!(runtime = self.name, socket = %self.socket.display(), "following containers");
        self.report(RuntimeState::Connected);
    }

    fn ended(&self, reason: String) {
        let was_connected = self.connected.swap(false, Ordering::Relaxed);
        if !self.waiting.swap(true, Ordering::Relaxed) {
            let socket = self.socket.display();
            match was_connected || self.socket.exists() {
                true => tracing::warn!(runtime = self.name, %socket, error = reason, "runtime cannot be reached, waiting for it"),
                // All runtimes are asked unless told otherwise, and few machines have more than one.
                false => tracing::debug!(runtime = self.name, %socket, "runtime is not there, waiting for it"),
            }
        }
        self.report(RuntimeState::Waiting(reason));
    }

    fn report(&self, state: RuntimeState) {
        let since_s = clock::unix_now() / 1_000_000_000;
        self.inventory.set_runtime(RuntimeStatus { name: self.name, socket: self.socket.to_owned(), state, since_s });
    }
}

/// Runs sessions for ever, with pauses between them that grow while none of them lasts.
pub(super) async fn run(client: &impl Client, link: &Link<'_>) {
    let mut pause = PAUSES.0;
    loop {
        let attempt = Instant::now();
        let reason = client.session(link).await;
        link.ended(reason);
        // While nobody tells what ends, it is looked for.
        link.inventory.reap(Instant::now(), Some(link.name));
        // A session that lasted was a success, whatever ended it.
        pause = if attempt.elapsed() > PAUSES.1 { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
        tokio::time::sleep(pause).await;
    }
}
