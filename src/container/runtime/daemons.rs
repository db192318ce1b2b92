//! Each wanted daemon with the client that speaks the wanted protocol.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{CRIO, Protocol, Settings, Unreachable, containerd, cri, docker, podman};
use crate::container::inventory::Inventory;

/// Keeps the containers of the wanted daemons in the inventory until cancelled.
pub(super) fn follow(inventory: &Arc<Inventory>, settings: &Settings, cancel: &CancellationToken) {
    let by_cri = |kind: cri::Kind, socket: &Path| {
        tokio::spawn(cri::follow(inventory.clone(), kind, socket.to_owned(), cancel.clone()));
    };
    let internal = settings.protocol == Protocol::Internal;
    match &settings.docker {
        Some(socket) if internal => drop(tokio::spawn(docker::follow(inventory.clone(), socket.clone(), cancel.clone()))),
        Some(socket) => by_cri(cri::DOCKER, socket),
        None => {}
    }
    match &settings.containerd {
        Some(wanted) if internal => drop(tokio::spawn(containerd::follow(inventory.clone(), wanted.clone(), cancel.clone()))),
        Some(wanted) => by_cri(cri::CONTAINERD, &wanted.socket),
        None => {}
    }
    if let Some(socket) = &settings.podman {
        tokio::spawn(podman::follow(inventory.clone(), socket.clone(), cancel.clone()));
    }
    if let Some(socket) = &settings.crio {
        by_cri(cri::CRIO, socket);
    }
}

/// Reads their containers into the inventory once. One that takes its time keeps no other waiting.
pub(super) async fn list(inventory: &Arc<Inventory>, settings: &Settings) -> Vec<Unreachable> {
    let note = |name, socket: &Path, failure: Option<String>| failure.map(|reason| Unreachable { name, socket: socket.to_owned(), reason });
    let by_cri = async |kind: cri::Kind, socket: &Path| cri::list(inventory, kind, socket).await.err().map(|e| e.full());
    let internal = settings.protocol == Protocol::Internal;
    let docker = async {
        let socket = settings.docker.as_ref()?;
        let failure =
            if internal { docker::list(inventory, socket).await.err().map(|e| e.full()) } else { by_cri(cri::DOCKER, socket).await };
        note(docker::NAME, socket, failure)
    };
    let containerd = async {
        let wanted = settings.containerd.as_ref()?;
        let failure = match internal {
            true => containerd::list(inventory, wanted).await.err().map(|e| e.full()),
            false => by_cri(cri::CONTAINERD, &wanted.socket).await,
        };
        note(containerd::NAME, &wanted.socket, failure)
    };
    let podman = async {
        let socket = settings.podman.as_ref()?;
        note(podman::NAME, socket, podman::list(inventory, socket).await.err().map(|e| e.full()))
    };
    let crio = async {
        let socket = settings.crio.as_ref()?;
        note(CRIO.name, socket, by_cri(cri::CRIO, socket).await)
    };
    let (docker, containerd, crio, podman) = tokio::join!(docker, containerd, crio, podman);
    [docker, containerd, crio, podman].into_iter().flatten().collect()
}
