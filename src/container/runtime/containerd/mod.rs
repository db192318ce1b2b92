//! containerd by its own API: lists the containers of its namespaces, then follows its events.

mod api;
mod book;
mod bundle;
mod events;
mod extension;
mod ids;
mod messages;
mod session;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use session::Session;

use super::Containerd;
use super::grpc::GrpcError;
use super::reconnect::{self, Client, Link};
use super::sockets::CONTAINERD;
use crate::container::inventory::Inventory;
use crate::container::record::Container;

/// The name of this runtime.
pub const NAME: &str = CONTAINERD.name;

/// Keeps the containers of containerd in the inventory until cancelled.
///
/// A daemon that is not there is logged once and waited for; after it comes back the inventory is compared with it.
pub async fn follow(inventory: Arc<Inventory>, wanted: Containerd, cancel: CancellationToken) {
    let socket = crate::kernel::host_path(&wanted.socket);
    let link = Link::new(&inventory, NAME, &socket);
    let daemon = Daemon { namespaces: wanted.namespaces };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = reconnect::run(&daemon, &link) => {}
    }
}

/// Reads the containers of containerd into the inventory once.
///
/// # Errors
/// When it cannot be reached or gives no usable answer.
pub async fn list(inventory: &Inventory, wanted: &Containerd) -> Result<(), GrpcError> {
    let socket: PathBuf = crate::kernel::host_path(&wanted.socket);
    Session::open(inventory, &socket, &wanted.namespaces).await?.synchronize().await
}

/// Reads bytes as every message that containerd sends, for the fuzzer, and gives what could be a record.
pub fn look_at(bytes: &[u8]) -> Vec<Container> {
    use super::grpc::wire::Value;
    let _ = (events::read(bytes), messages::task(Value::Bytes(bytes)));
    let _ = (messages::image(Value::Bytes(bytes)), messages::namespace(Value::Bytes(bytes)));
    let wrapped = messages::wrapped(bytes).ok().flatten().and_then(|item| messages::container(item).ok().flatten());
    let plain = messages::container(Value::Bytes(bytes)).ok().flatten();
    wrapped.into_iter().chain(plain).collect()
}

struct Daemon {
    namespaces: Vec<String>,
}

impl Client for Daemon {
    async fn session(&self, link: &Link<'_>) -> String {
        let connected = async { Session::open(link.inventory, link.socket, &self.namespaces).await?.start().await };
        match connected.await {
            Ok(mut following) => {
                link.connected();
                following.run().await.full()
            }
            Err(error) => error.full(),
        }
    }
}
