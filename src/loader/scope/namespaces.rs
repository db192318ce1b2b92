//! The network namespaces of the workloads, for iterators that see only the one they are opened in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Scope, Workload};
use crate::loader::error::LoadError;

/// The network namespaces to be read.
#[derive(Debug, Default)]
pub struct Namespaces {
    workloads: Mutex<Vec<Workload>>,
}

impl Namespaces {
    /// Each namespace once: its inode and the processes that are known to be in it, any of which may be gone by now.
    pub fn list(&self) -> Vec<(u64, Vec<u32>)> {
        let workloads = self.workloads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut distinct: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for workload in workloads.iter() {
            distinct.entry(workload.netns).or_default().push(workload.pid);
        }
        distinct.into_iter().collect()
    }
}

/// Keeps [`Namespaces`] at the workloads that are there. Those that are left when it is dropped stay: there may be one more run at the end.
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
