//! The network namespaces of the workloads, for iterators that see only the one they are opened in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Scope, Workload};
use crate::loader::error::LoadError;

/// The network namespaces to be read: a process in each, by the namespace's inode.
#[derive(Debug, Default)]
pub struct Namespaces {
    workloads: Mutex<Vec<Workload>>,
}

impl Namespaces {
    /// Each namespace once: its inode and a process that is in it.
    pub fn list(&self) -> Vec<(u64, u32)> {
        let workloads = self.workloads.lock().unwrap_or_else(PoisonError::into_inner);
        let distinct: HashMap<u64, u32> = workloads.iter().map(|w| (w.netns, w.pid)).collect();
        distinct.into_iter().collect()
    }
}

/// Keeps [`Namespaces`] at the workloads that are there.
pub(super) struct Tracker {
    namespaces: Arc<Namespaces>,
}

impl Tracker {
    pub(super) fn new(namespaces: Arc<Namespaces>) -> Self {
        Tracker { namespaces }
    }
}

impl Scope for Tracker {
    fn add(&mut self, workload: &Workload) -> Result<(), LoadError> {
        self.namespaces.workloads.lock().unwrap_or_else(PoisonError::into_inner).push(workload.clone());
        Ok(())
    }

    fn remove(&mut self, workload: &Workload) {
        self.namespaces.workloads.lock().unwrap_or_else(PoisonError::into_inner).retain(|w| w.id != workload.id);
    }
}
