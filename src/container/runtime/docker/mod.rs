//! Engines that speak Docker's API: lists the engine's containers, then follows its events. Without an engine it waits for one to appear.

mod client;
mod convert;
mod error;
mod following;
mod inspected;
mod libpod;
mod session;
mod shim;
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
use super::sockets::{DOCKER, PODMAN};
use crate::container::inventory::Inventory;

/// The name of this runtime.
pub const NAME: &str = DOCKER.name;

/// Environment variable that names the socket when the configuration does not.
pub const SOCKET_VARIABLE: &str = DOCKER.variable;

/// Whose engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Docker itself.
    Docker,
    /// Podman's service, which also has an API of its own.
    Podman,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Docker => DOCKER.name,
            Engine::Podman => PODMAN.name,
        }
    }
}

/// The socket to use: the configured one, else the environment's, else the default.
pub fn socket_path(configured: Option<&Path>) -> PathBuf {
    DOCKER.socket_path(configured, Protocol::Internal)
}

/// Keeps the containers of the Docker engine behind `socket` in the inventory until cancelled.
///
/// An engine that is not there is logged once and waited for; after it comes back the inventory is compared with it.
pub async fn follow(inventory: Arc<Inventory>, socket: PathBuf, cancel: CancellationToken) {
    follow_engine(Engine::Docker, inventory, socket, cancel).await;
}

/// Reads the Docker engine's containers into the inventory once.
///
/// # Errors
/// When the engine cannot be reached or gives no usable answer.
pub async fn list(inventory: &Inventory, socket: &Path) -> Result<(), DockerError> {
    list_engine(Engine::Docker, inventory, socket).await
}

/// [`follow`] for any engine.
pub(super) async fn follow_engine(engine: Engine, inventory: Arc<Inventory>, socket: PathBuf, cancel: CancellationToken) {
    // Without an override the path is the host's: below HOST_ROOT when we run in a container.
    let socket = crate::kernel::host_path(&socket);
    let link = Link::new(&inventory, engine.name(), &socket);
    tokio::select! {
        () = cancel.cancelled() => {}
        () = reconnect::run(&engine, &link) => {}
    }
}

/// [`list`] for any engine.
pub(super) async fn list_engine(engine: Engine, inventory: &Inventory, socket: &Path) -> Result<(), DockerError> {
    Session::open(engine, inventory, &crate::kernel::host_path(socket)).await?.read_all().await
}

impl Client for Engine {
    async fn session(&self, link: &Link<'_>) -> String {
        let started = async { Session::open(*self, link.inventory, link.socket).await?.start().await };
        match started.await {
            Ok(following) => following.run(|| link.connected()).await.full(),
            Err(error) => error.full(),
        }
    }
}
