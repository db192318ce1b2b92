//! One daemon of those that settings want, and which client speaks to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{CONTAINERD, Containerd, DOCKER, PODMAN, Protocol, Settings, Unreachable, containerd, cri, docker, podman};
use crate::container::inventory::Inventory;

/// See the module.
pub(super) enum Engine {
    Docker(PathBuf),
    Podman(PathBuf),
    Containerd(Containerd),
    Cri(cri::Kind, PathBuf),
}

impl Settings {
    /// The daemons that are wanted.
    pub(super) fn engines(&self) -> impl Iterator<Item = Engine> + use<> {
        let internal = self.protocol == Protocol::Internal;
        let docker = self.docker.clone().map(|socket| if internal { Engine::Docker(socket) } else { Engine::Cri(cri::DOCKER, socket) });
        let containerd = self.containerd.clone().map(|wanted| match internal {
            true => Engine::Containerd(wanted),
            false => Engine::Cri(cri::CONTAINERD, wanted.socket),
        });
        let crio = self.crio.clone().map(|socket| Engine::Cri(cri::CRIO, socket));
        [docker, self.podman.clone().map(Engine::Podman), containerd, crio].into_iter().flatten()
    }
}

impl Engine {
    /// Keeps its containers in the inventory until cancelled, on a task of its own.
    pub fn follow(self, inventory: &Arc<Inventory>, on: &Handle, cancel: &CancellationToken) {
        let (inventory, cancel) = (inventory.clone(), cancel.clone());
        match self {
            Engine::Docker(socket) => drop(on.spawn(docker::follow(inventory, socket, cancel))),
            Engine::Podman(socket) => drop(on.spawn(podman::follow(inventory, socket, cancel))),
            Engine::Containerd(wanted) => drop(on.spawn(containerd::follow(inventory, wanted, cancel))),
            Engine::Cri(kind, socket) => drop(on.spawn(cri::follow(inventory, kind, socket, cancel))),
        }
    }

    /// Reads its containers into the inventory once; gives in one line why that could not be done.
    pub async fn list(&self, inventory: &Inventory) -> Result<(), String> {
        match self {
            Engine::Docker(socket) => docker::list(inventory, socket).await.map_err(|error| error.full()),
            Engine::Podman(socket) => podman::list(inventory, socket).await.map_err(|error| error.full()),
            Engine::Containerd(wanted) => containerd::list(inventory, wanted).await.map_err(|error| error.full()),
            Engine::Cri(kind, socket) => cri::list(inventory, *kind, socket).await.map_err(|error| error.full()),
        }
    }

    /// It, with the reason why it could not be asked.
    pub fn unreachable(&self, reason: String) -> Unreachable {
        let (name, socket): (_, &Path) = match self {
            Engine::Docker(socket) => (DOCKER.name, socket),
            Engine::Podman(socket) => (PODMAN.name, socket),
            Engine::Containerd(wanted) => (CONTAINERD.name, &wanted.socket),
            Engine::Cri(kind, socket) => (kind.name, socket),
        };
        Unreachable { name, socket: socket.to_owned(), reason }
    }
}
