//! The Container Runtime Interface: CRI-O's containers, and those of containerd and Docker where CRI is wanted for them.

mod api;
mod attempts;
mod convert;
mod look;
mod messages;
mod session;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use session::Session;

use super::grpc::GrpcError;
use super::reconnect::{self, Client, Link};
use super::sockets::{CONTAINERD as CONTAINERD_SOCKET, CRIO as CRIO_SOCKET, DOCKER as DOCKER_SOCKET};
use crate::container::inventory::Inventory;
use crate::container::record::Container;

/// A runtime that is spoken to by CRI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Whether its containers are called `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`, as Docker's are under the kubelet.
    synthetic: bool,
}

/// CRI-O.
pub const CRIO: Kind = Kind { name: CRIO_SOCKET.name, synthetic: true };
/// containerd's CRI plugin.
pub const CONTAINERD: Kind = Kind { name: CONTAINERD_SOCKET.name, synthetic: false };
/// Docker, through cri-dockerd.
pub const DOCKER: Kind = Kind { name: DOCKER_SOCKET.name, synthetic: true };

/// Keeps the runtime's pods and containers in the inventory until cancelled.
///
/// A runtime that is not there is logged once and waited for; after it comes back the inventory is compared with it.
pub async fn follow(inventory: Arc<Inventory>, kind: Kind, socket: PathBuf, cancel: CancellationToken) {
    let socket = crate::kernel::host_path(&socket);
    let link = Link::new(&inventory, kind.name, &socket);
    tokio::select! {
        () = cancel.cancelled() => {}
        () = reconnect::run(&kind, &link) => {}
    }
}

/// Reads the runtime's pods and containers into the inventory once.
///
/// # Errors
/// When it cannot be reached or gives no usable answer.
pub async fn list(inventory: &Inventory, kind: Kind, socket: &Path) -> Result<(), GrpcError> {
    Session::open(inventory, &crate::kernel::host_path(socket), kind).await?.settle().await
}

/// Reads bytes as every message that a runtime sends, for the fuzzer, and gives what could be a record.
pub fn look_at(bytes: &[u8]) -> Vec<Container> {
    use super::grpc::wire::Value;
    let _ = (messages::version(bytes), messages::event(bytes));
    let pods = [messages::sandbox_answer(bytes).ok().flatten(), messages::sandbox(Value::Bytes(bytes), false).ok()];
    let mut records: Vec<Container> = pods.iter().flatten().filter_map(|pod| convert::sandbox(CRIO, pod)).collect();
    for told in [messages::status_answer(bytes).ok().flatten(), messages::container(Value::Bytes(bytes)).ok()].into_iter().flatten() {
        let image = messages::image_answer(bytes).unwrap_or_default();
        records.extend(convert::container(CRIO, &told, records.first(), image));
    }
    records
}

impl Client for Kind {
    async fn session(&self, link: &Link<'_>) -> String {
        let connected = async {
            let mut session = Session::open(link.inventory, link.socket, *self).await?;
            session.settle().await.map(|()| session)
        };
        match connected.await {
            Ok(mut session) => {
                link.connected();
                session.run().await.full()
            }
            Err(error) => error.full(),
        }
    }
}
