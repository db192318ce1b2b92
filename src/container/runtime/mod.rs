//! Container runtimes: each follows one engine and writes what it hears into the inventory.

mod bounds;
pub mod containerd;
pub mod cri;
pub mod docker;
mod engine;
mod followed;
mod grpc;
pub mod podman;
mod reason;
mod reconnect;
mod settings;
mod sockets;
#[cfg(test)]
mod tests;
mod thread;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use engine::Engine;
pub use followed::Followed;
pub use settings::{Containerd, Protocol, Settings};
pub use sockets::{CONTAINERD, CRIO, DOCKER, Daemon, PODMAN};

use super::inventory::Inventory;
use super::keeper;
use super::snapshot::PATIENCE;

/// How a runtime is doing, for the health page and `list-containers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// `docker`, ...
    pub name: &'static str,
    /// Socket its engine listens on.
    pub socket: PathBuf,
    /// Whether it can be heard.
    pub state: RuntimeState,
    /// Since when, in seconds since the Unix epoch. Another reason for waiting is no other state.
    pub since_s: u64,
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
    let on = thread::start(cancel);
    on.spawn(keeper::keep(inventory.clone(), settings.clone(), cancel.clone()));
    settings.engines().for_each(|engine| engine.follow(inventory, &on, cancel));
}

/// Reads the containers of all wanted runtimes into the inventory once, all at the same time. Gives those that could not be asked.
pub async fn list(inventory: &Arc<Inventory>, settings: &Settings) -> Vec<Unreachable> {
    keeper::list(inventory, settings);
    let engines: Vec<Engine> = settings.engines().collect();
    let asked = engines.iter().map(|engine| async { engine.list(inventory).await.err().map(|reason| engine.unreachable(reason)) });
    let unreachable = futures::future::join_all(asked).await.into_iter().flatten().collect();
    // Nobody else will be heard.
    inventory.update(|state| state.name_after_ids(Instant::now() + PATIENCE, true));
    unreachable
}
