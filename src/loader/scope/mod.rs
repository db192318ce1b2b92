//! Programs that are attached once per container, network namespace or file of a container, as containers come and go.

mod dispatcher;
mod namespaces;
mod shared;
mod socket;
mod tc;
#[cfg(test)]
mod tests;
pub mod uprobe;

use std::collections::HashMap;
use std::sync::Arc;

pub use namespaces::Namespaces;

use super::error::LoadError;
use super::hook::Hook;
use super::object::LoadedProgram;

/// A container, or the host itself, as programs see it that are attached per container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The container's id; [`Workload::HOST`] for the host.
    pub id: Arc<str>,
    /// A running process of it, in our process-id namespace.
    pub pid: u32,
    /// Inode of its mount namespace.
    pub mntns: u64,
    /// Inode of its network namespace.
    pub netns: u64,
    /// Whether its network namespace is the host's.
    pub host_network: bool,
}

impl Workload {
    /// Id of the host.
    pub const HOST: &str = "";

    /// Whether it is the host.
    pub fn is_host(&self) -> bool {
        &*self.id == Self::HOST
    }
}

/// One kind of attachment. Called from one thread that may block, never from the one that reads records.
trait Scope: Send {
    /// Makes what all workloads share, once, before the first of them.
    fn start(&mut self) -> Result<(), LoadError> {
        Ok(())
    }
    /// Covers a workload. What cannot be covered because it is not there (a library, a symbol) is a debug message, not an error.
    fn add(&mut self, workload: &Workload) -> Result<(), LoadError>;
    /// Lets go of a workload that was added.
    fn remove(&mut self, workload: &Workload);
}

/// Everything of a gadget that is attached per container. Dropping it detaches all of it, which blocks.
pub struct Scoped {
    scopes: Vec<Box<dyn Scope>>,
    workloads: HashMap<Arc<str>, Workload>,
}

impl Scoped {
    /// `None` when there is nothing that containers matter to.
    ///
    /// `namespaces` are kept up to date for iterators that read them; `interface` is the only one that classifiers are attached to.
    pub(super) fn of(
        gadget: &str,
        programs: Vec<LoadedProgram>,
        namespaces: Option<Arc<Namespaces>>,
        interface: Option<String>,
    ) -> Option<Scoped> {
        let (mut uprobes, mut sockets, mut classifiers) = (Vec::new(), Vec::new(), Vec::new());
        for program in programs.into_iter().filter(|p| !p.switched_off) {
            match program.hook {
                Hook::SocketFilter => sockets.push(program),
                Hook::Tc(_) => classifiers.push(program),
                _ => uprobes.push(program),
            }
        }
        let mut scopes: Vec<Box<dyn Scope>> = Vec::new();
        if !uprobes.is_empty() {
            scopes.push(Box::new(uprobe::Uprobes::new(gadget, uprobes)));
        }
        if !sockets.is_empty() {
            scopes.push(Box::new(socket::SocketFilters::new(gadget, sockets)));
        }
        if !classifiers.is_empty() {
            scopes.push(Box::new(tc::Classifiers::new(gadget, classifiers, interface)));
        }
        if let Some(namespaces) = namespaces {
            scopes.push(Box::new(namespaces::Tracker::new(namespaces)));
        }
        (!scopes.is_empty()).then(|| Scoped { scopes, workloads: HashMap::new() })
    }

    /// Attaches what is attached whatever workloads there are. To be called once, before the first workload.
    ///
    /// # Errors
    /// When the kernel refuses it, or the user named an interface that is not there.
    pub fn start(&mut self) -> Result<(), LoadError> {
        self.scopes.iter_mut().try_for_each(|scope| scope.start())
    }

    /// Covers a workload; one that is covered already is left alone. The errors are for the log: the gadget goes on.
    pub fn add(&mut self, workload: &Workload) -> Vec<LoadError> {
        if self.workloads.contains_key(&workload.id) {
            return Vec::new();
        }
        self.workloads.insert(workload.id.clone(), workload.clone());
        self.scopes.iter_mut().filter_map(|scope| scope.add(workload).err()).collect()
    }

    /// The workloads that are covered, by id.
    pub fn workloads(&self) -> &HashMap<Arc<str>, Workload> {
        &self.workloads
    }

    /// Lets go of a workload.
    pub fn remove(&mut self, id: &str) {
        let Some(workload) = self.workloads.remove(id) else { return };
        self.scopes.iter_mut().for_each(|scope| scope.remove(&workload));
    }
}
