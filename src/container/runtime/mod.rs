//! Container runtimes: each follows one engine and writes what it hears into the inventory.

mod bounds;
pub mod containerd;
pub mod cri;
pub mod docker;
mod grpc;
pub mod podman;
mod reason;
mod reconnect;
mod settings;
mod sockets;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use settings::{Containerd, Protocol, Settings};
pub use sockets::{CONTAINERD, CRIO, DOCKER, Daemon, PODMAN};

use super::inventory::Inventory;

/// How a runtime is doing, for the health page and `list-containers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// `docker`, ...
    pub name: &'static str,
    /// Socket its engine listens on.
    pub socket: PathBuf,
    /// Whether it can be heard.
    pub state: RuntimeState,
}

/// Whether a runtime can be heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeState {
    /// The first attempt has not ended yet.
    Connecting,
    /// All its containers are in the inventory and its events arrive.
    Connected,
    /// It cannot be reached, for the reason given; tried again in the background.
    Waiting(String),
}

/// A runtime that could not be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// `docker`, ...
    pub name: &'static str,
    /// Socket its engine should listen on.
    pub socket: PathBuf,
    /// Why, in one line.
    pub reason: String,
}

/// Keeps the containers of all wanted runtimes in the inventory until cancelled. Call it within a runtime of tokio.
pub fn follow(inventory: &Arc<Inventory>, settings: &Settings, cancel: &CancellationToken) {
    let by_cri = |kind: cri::Kind, socket: &PathBuf| {
        tokio::spawn(cri::follow(inventory.clone(), kind, socket.clone(), cancel.clone()));
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
    if let Some(socket) = &settings.crio {
        by_cri(cri::CRIO, socket);
    }
    if let Some(socket) = &settings.podman {
        tokio::spawn(podman::follow(inventory.clone(), socket.clone(), cancel.clone()));
    }
}

/// Reads the containers of all wanted runtimes into the inventory once. Gives those that could not be asked.
pub async fn list(inventory: &Arc<Inventory>, settings: &Settings) -> Vec<Unreachable> {
    let mut unreachable = Vec::new();
    let mut note = |name, socket: &PathBuf, failure: Option<String>| {
        unreachable.extend(failure.map(|reason| Unreachable { name, socket: socket.clone(), reason }));
    };
    let by_cri = async |kind: cri::Kind, socket: &PathBuf| cri::list(inventory, kind, socket).await.err().map(|e| e.full());
    let internal = settings.protocol == Protocol::Internal;
    match &settings.docker {
        Some(socket) if internal => note(docker::NAME, socket, docker::list(inventory, socket).await.err().map(|e| e.full())),
        Some(socket) => note(docker::NAME, socket, by_cri(cri::DOCKER, socket).await),
        None => {}
    }
    match &settings.containerd {
        Some(wanted) if internal => {
            note(containerd::NAME, &wanted.socket, containerd::list(inventory, wanted).await.err().map(|e| e.full()));
        }
        Some(wanted) => note(containerd::NAME, &wanted.socket, by_cri(cri::CONTAINERD, &wanted.socket).await),
        None => {}
    }
    if let Some(socket) = &settings.crio {
        note(CRIO.name, socket, by_cri(cri::CRIO, socket).await);
    }
    if let Some(socket) = &settings.podman
        && let Err(error) = podman::list(inventory, socket).await
    {
        unreachable.push(Unreachable { name: podman::NAME, socket: socket.clone(), reason: error.full() });
    }
    unreachable
}
