//! Socket filters: one raw socket per network namespace, behind a dispatcher.

use std::os::fd::{AsFd, OwnedFd};

use super::dispatcher::Slot;
use super::shared::Shared;
use super::{Scope, Workload};
use crate::kernel::netns::NetNs;
use crate::kernel::packet;
use crate::loader::error::LoadError;
use crate::loader::object::LoadedProgram;

/// Result of a dispatcher without a program behind it: the socket gets nothing of the packet.
const NOTHING: i32 = 0;
/// How many sockets are closed at once. The kernel takes the same 8 to 25 ms for several as for one.
const CLOSED_AT_ONCE: usize = 16;

/// Socket filters: one raw socket per network namespace, behind a dispatcher.
pub(super) struct SocketFilters {
    gadget: String,
    programs: Vec<LoadedProgram>,
    slots: Vec<Slot>,
    /// A socket per program, by the namespace's inode.
    attached: Shared<u64, Vec<OwnedFd>>,
}

impl SocketFilters {
    pub(super) fn new(gadget: &str, programs: Vec<LoadedProgram>) -> Self {
        SocketFilters { gadget: gadget.to_owned(), programs, slots: Vec::new(), attached: Shared::new() }
    }
}

/// A socket for each program, in the namespace.
fn attach(slots: &[Slot], programs: &[LoadedProgram], namespace: &NetNs) -> Result<Vec<OwnedFd>, LoadError> {
    let dispatchers = slots.iter().map(|slot| slot.dispatcher(namespace.inode(), NOTHING)).collect::<Result<Vec<_>, _>>()?;
    let sockets = namespace.within(|| dispatchers.iter().map(|dispatcher| packet::watch(dispatcher.as_fd())).collect());
    sockets.map_err(|e| {
        let names: Vec<&str> = programs.iter().map(|p| p.name.as_str()).collect();
        LoadError::kernel(format!("attach {names:?} to the packets of network namespace {}", namespace.inode()), e)
    })
}

impl Scope for SocketFilters {
    fn start(&mut self) -> Result<(), LoadError> {
        self.slots = self.programs.iter().map(Slot::holding).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn add(&mut self, workload: &Workload) -> Result<(), LoadError> {
        let found = NetNs::find(workload.netns, workload.pid);
        let found = found.map_err(|e| LoadError::kernel(format!("open the network namespace of process {}", workload.pid), e))?;
        let Some(namespace) = found else {
            tracing::debug!(gadget = self.gadget, container = &*workload.id, "container is gone before its packets could be watched");
            return Ok(());
        };
        let (slots, programs) = (&self.slots, &self.programs);
        self.attached.join(namespace.inode(), workload, || attach(slots, programs, &namespace))
    }

    fn remove(&mut self, workload: &Workload) {
        close(self.attached.leave(workload));
    }
}

impl Drop for SocketFilters {
    fn drop(&mut self) {
        self.slots.iter().for_each(Slot::empty);
        close(self.attached.take());
    }
}

/// Closes sockets side by side, and returns when they are closed.
fn close(sockets: Vec<Vec<OwnedFd>>) {
    let mut sockets: Vec<OwnedFd> = sockets.into_iter().flatten().collect();
    if sockets.len() < 2 {
        return;
    }
    let share = sockets.len().div_ceil(CLOSED_AT_ONCE);
    std::thread::scope(|scope| {
        while !sockets.is_empty() {
            let share = sockets.split_off(sockets.len().saturating_sub(share));
            // Without a thread the closure is dropped right here, which closes them as well.
            let _ = std::thread::Builder::new().name("close sockets".to_owned()).spawn_scoped(scope, move || drop(share));
        }
    });
}
