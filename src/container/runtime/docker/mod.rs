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

use tokio_util::sync::CancellationToken;

pub use error::DockerError;
use session::Session;

use super::Protocol;
use super::reconnect::{self, Client, Link};
use super::sockets::DOCKER;
use crate::container::early;
use crate::container::inventory::Inventory;

/// The name of this runtime.
pub const NAME: &str = DOCKER.name;

/// Environment variable that names the socket when the configuration does not.
pub const SOCKET_VARIABLE: &str = DOCKER.variable;

/// The socket to use: the configured one, else the environment's, else the default.
pub fn socket_path(configured: Option<&Path>) -> PathBuf {
    DOCKER.socket_path(configured, Protocol::Internal)
}

/// Keeps the containers of the engine behind `socket` in the inventory until cancelled.
///
/// An engine that is not there is logged once and waited for; after it comes back the inventory is compared with it.
pub async fn follow(inventory: Arc<Inventory>, socket: PathBuf, cancel: CancellationToken) {
    // Without an override the path is the host's: below HOST_ROOT when we run in a container.
    let socket = crate::kernel::host_path(&socket);
    let link = Link::new(&inventory, NAME, &socket);
    tokio::select! {
        () = cancel.cancelled() => {}
        () = early::watch(&inventory) => {}
        () = reconnect::run(&Engine, &link) => {}
    }
}

/// Reads the engine's containers into the inventory once.
///
/// # Errors
/// When the engine cannot be reached or gives no usable answer.
pub async fn list(inventory: &Inventory, socket: &Path) -> Result<(), DockerError> {
    Session::open(inventory, &crate::kernel::host_path(socket)).await?.synchronize().await
}

struct Engine;

impl Client for Engine {
    async fn session(&self, link: &Link<'_>) -> String {
        let connected = async { Session::open(link.inventory, link.socket).await?.start().await };
        match connected.await {
            Ok(mut following) => {
                link.connected();
                following.run().await.full()
            }
            Err(error) => error.full(),
        }
    }
}
