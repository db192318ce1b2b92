//! An inventory that follows runtimes, and what the tests ask of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gadgetry::container::runtime::{self, RuntimeState, Settings};
use gadgetry::container::{Container, Inventory};
use tokio_util::sync::CancellationToken;

pub const SECOND: Duration = Duration::from_secs(1);

/// See the module.
pub struct Following {
    pub inventory: Arc<Inventory>,
    cancel: CancellationToken,
}

impl Following {
    pub fn start(settings: &Settings) -> Self {
        let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
        runtime::follow(&inventory, settings, &cancel);
        Following { inventory, cancel }
    }

    /// The running container of a name, sandboxes left out.
    pub fn running(&self, name: &str) -> Option<Container> {
        running(&self.inventory, name)
    }

    /// The container of an id, running or not.
    pub fn by_id(&self, id: &str) -> Option<Container> {
        let snapshot = self.inventory.snapshot();
        snapshot.by_id(id).and_then(|entry| snapshot.container(entry)).cloned()
    }

    /// Whether the container of an id runs.
    pub fn runs(&self, id: &str) -> bool {
        self.inventory.snapshot().running().any(|c| c.runtime.container_id == id)
    }

    /// The container that events of a mount namespace are named after.
    pub fn by_mntns(&self, mntns: u64) -> Option<Container> {
        let snapshot = self.inventory.snapshot();
        snapshot.by_mntns(mntns).and_then(|entry| snapshot.container(entry)).cloned()
    }

    pub fn state(&self) -> Option<RuntimeState> {
        self.inventory.runtimes().first().map(|runtime| runtime.state.clone())
    }

    pub fn connected(&self) -> bool {
        self.state() == Some(RuntimeState::Connected)
    }

    pub fn waiting(&self) -> bool {
        matches!(self.state(), Some(RuntimeState::Waiting(_)))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The running container of a name, sandboxes left out.
pub fn running(inventory: &Inventory, name: &str) -> Option<Container> {
    inventory.snapshot().running().find(|c| !c.sandbox && c.runtime.container_name == name).cloned()
}

/// What a daemon has now, by one listing.
pub async fn list(settings: &Settings) -> Arc<Inventory> {
    let inventory = Inventory::new();
    let unreachable = runtime::list(&inventory, settings).await;
    assert!(unreachable.is_empty(), "{unreachable:?}");
    inventory
}

/// Waits until something holds, and says how long that took.
pub async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    start.elapsed()
}

/// Inode of a namespace of a process, by the kernel's own word.
pub fn namespace(pid: u32, kind: &str) -> u64 {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    link.to_str().unwrap().split_once('[').unwrap().1.trim_end_matches(']').parse().unwrap()
}
