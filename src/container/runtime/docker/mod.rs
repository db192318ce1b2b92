//! Docker: lists the engine's containers, then follows its events. Without an engine it waits for one to appear.

mod client;
mod convert;
mod error;
mod session;
#[cfg(test)]
mod tests;
mod transport;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use error::DockerError;
use session::Session;

use super::{RuntimeState, RuntimeStatus};
use crate::container::early;
use crate::container::inventory::Inventory;

/// The name of this runtime.
pub const NAME: &str = "docker";

/// Where the engine listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/docker.sock";

/// Environment variable that names the socket when the configuration does not.
pub const SOCKET_VARIABLE: &str = "INSPEKTOR_GADGET_DOCKER_SOCKETPATH";

/// First and longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often ended containers are looked for and let go.
const SWEEP: Duration = Duration::from_secs(1);

/// The socket to use: the configured one, else the environment's, else the default.
pub fn socket_path(configured: Option<&Path>) -> PathBuf {
    let variable = || std::env::var_os(SOCKET_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
    configured.map(Path::to_owned).or_else(variable).unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET))
}

/// Keeps the containers of the engine behind `socket` in the inventory until cancelled.
///
/// An engine that is not there is logged once and waited for; after it comes back the inventory is compared with it.
pub async fn follow(inventory: Arc<Inventory>, socket: PathBuf, cancel: CancellationToken) {
    // Without an override the path is the host's: below HOST_ROOT when we run in a container.
    let socket = crate::kernel::host_path(&socket);
    tokio::select! {
        () = cancel.cancelled() => {}
        () = early::watch(&inventory) => {}
        () = reconnect(&inventory, &socket) => {}
    }
}

async fn reconnect(inventory: &Inventory, socket: &Path) {
    let mut log = Log::default();
    let mut pause = PAUSES.0;
    report(inventory, socket, RuntimeState::Connecting);
    loop {
        let attempt = Instant::now();
        let end = run(inventory, socket, &mut log).await;
        log.waiting(socket, &end);
        report(inventory, socket, RuntimeState::Waiting(end.full()));
        // A session that lasted was a success, whatever ended it.
        pause = if attempt.elapsed() > PAUSES.1 { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
        wait(inventory, pause).await;
    }
}

/// Reads the engine's containers into the inventory once.
///
/// # Errors
/// When the engine cannot be reached or gives no usable answer.
pub async fn list(inventory: &Inventory, socket: &Path) -> Result<(), DockerError> {
    Session::open(inventory, &crate::kernel::host_path(socket)).await?.synchronize().await
}

async fn run(inventory: &Inventory, socket: &Path, log: &mut Log) -> DockerError {
    let connected = async {
        let session = Session::open(inventory, socket).await?;
        session.start().await
    };
    match connected.await {
        Ok(mut following) => {
            log.connected(socket);
            report(inventory, socket, RuntimeState::Connected);
            following.run().await
        }
        Err(error) => error,
    }
}

/// Waits, and looks itself for containers that ended meanwhile, since nobody tells.
async fn wait(inventory: &Inventory, pause: Duration) {
    let now = Instant::now();
    inventory.reap(now);
    inventory.sweep(now);
    tokio::time::sleep(pause).await;
}

fn report(inventory: &Inventory, socket: &Path, state: RuntimeState) {
    inventory.set_runtime(RuntimeStatus { name: NAME, socket: socket.to_owned(), state });
}

/// Says each change of state once.
#[derive(Default)]
struct Log {
    waiting: bool,
}

impl Log {
    fn connected(&mut self, socket: &Path) {
        self.waiting = false;
        tracing::info!(socket = %socket.display(), "following docker containers");
    }

    fn waiting(&mut self, socket: &Path, error: &DockerError) {
        if !std::mem::replace(&mut self.waiting, true) {
            tracing::warn!(socket = %socket.display(), error = error.full(), "docker cannot be reached, waiting for it");
        }
    }
}
