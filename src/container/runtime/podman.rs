//! Podman's service, by the API that it serves to Docker's clients. What only its own API tells is asked there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::docker::{self, DockerError, Engine};
use super::sockets::PODMAN;
use crate::container::inventory::Inventory;

/// The name of this runtime.
pub const NAME: &str = PODMAN.name;

/// Keeps the containers of the service behind `socket` in the inventory until cancelled.
///
/// A service that is not there is logged once and waited for; after it comes back the inventory is compared with it.
pub async fn follow(inventory: Arc<Inventory>, socket: PathBuf, cancel: CancellationToken) {
    docker::follow_engine(Engine::Podman, inventory, socket, cancel).await;
}

/// Reads the service's containers into the inventory once.
///
/// # Errors
/// When the service cannot be reached or gives no usable answer.
pub async fn list(inventory: &Inventory, socket: &Path) -> Result<(), DockerError> {
    docker::list_engine(Engine::Podman, inventory, socket).await
}
