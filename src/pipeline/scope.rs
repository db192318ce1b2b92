//! Keeps what is attached per container at the containers that a gadget's selector means, in a thread of its own:
//! attaching and detaching block, and records are read meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use super::build::Context;
use crate::container::{Container, Inventory, Selector, host_process};
use crate::kernel::procfs;
use crate::loader::{LoadError, Scoped, Workload};

/// The thread of one gadget. Dropping it detaches and waits for that.
pub(super) struct Covering {
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works on, before it starts.
pub(super) struct Cover {
    gadget: String,
    scoped: Scoped,
    inventory: Arc<Inventory>,
    selector: Selector,
    runtime: tokio::runtime::Handle,
}

impl Cover {
    pub(super) fn new(gadget: &str, scoped: Scoped, selector: &Selector, context: &Context) -> Self {
        let (inventory, runtime) = (context.inventory.clone(), context.runtime.clone());
        Cover { gadget: gadget.to_owned(), scoped, inventory, selector: selector.clone(), runtime }
    }

    /// Attaches what is attached whatever containers there are.
    ///
    /// # Errors
    /// The first failure.
    pub(super) fn begin(&mut self) -> Result<(), LoadError> {
        self.scoped.start()
    }

    /// Covers the containers that are there now, then follows their coming and going.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(mut self) -> std::io::Result<Covering> {
        let mut changed = self.inventory.changed();
        self.update();
        let cancel = CancellationToken::new();
        let (theirs, runtime) = (cancel.clone(), self.runtime.clone());
        let thread = std::thread::Builder::new().name(format!("scope {}", self.gadget)).spawn(move || {
            let mut next = async || matches!(theirs.run_until_cancelled(changed.changed()).await, Some(Ok(())));
            while runtime.block_on(next()) {
                self.update();
            }
        })?;
        Ok(Covering { cancel, thread: Some(thread) })
    }

    fn update(&mut self) {
        let snapshot = self.inventory.snapshot();
        let selected = snapshot.running().filter(|c| c.runtime.container_pid != 0 && self.selector.matches(c)).map(workload);
        let wanted: HashMap<Arc<str>, Workload> =
            selected.chain(self.selector.includes_host().then(host)).map(|w| (w.id.clone(), w)).collect();
        let different = |id: &Arc<str>, w: &Workload| wanted.get(id).is_some_and(|now| now != w);
        let covered = self.scoped.workloads();
        let changed: Vec<Arc<str>> = covered.iter().filter(|(id, w)| different(id, w)).map(|(id, _)| id.clone()).collect();
        let gone: Vec<Arc<str>> = covered.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
        changed.iter().for_each(|id| self.scoped.remove(id));
        for (id, workload) in wanted {
            for error in self.scoped.add(&workload) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(gadget = self.gadget, container = &*id, error, "container is not covered by all programs of the gadget");
            }
        }
        // Last, so that what a new one has in common with one that is gone stays attached.
        gone.iter().for_each(|id| self.scoped.remove(id));
    }
}

impl Drop for Covering {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("thread that follows containers ended in a panic");
        }
    }
}

fn workload(container: &Container) -> Workload {
    Workload {
        id: container.runtime.container_id.as_str().into(),
        pid: container.runtime.container_pid,
        mntns: container.mntns,
        netns: container.netns,
        host_network: container.host_network,
    }
}

fn host() -> Workload {
    let pid = host_process();
    let inode = |kind| procfs::namespace_inode(pid, kind).unwrap_or(0);
    Workload { id: Workload::HOST.into(), pid, mntns: inode("mnt"), netns: inode("net"), host_network: true }
}
