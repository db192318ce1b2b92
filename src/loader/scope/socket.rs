//! Socket filters: one raw socket per network namespace, behind a dispatcher.

use super::{Scope, Workload};
use crate::loader::error::LoadError;
use crate::loader::object::LoadedProgram;

/// Socket filters: one raw socket per network namespace, behind a dispatcher.
pub(super) struct SocketFilters {
    _gadget: String,
    _programs: Vec<LoadedProgram>,
}

impl SocketFilters {
    pub(super) fn new(gadget: &str, programs: Vec<LoadedProgram>) -> Self {
        SocketFilters { _gadget: gadget.to_owned(), _programs: programs }
    }
}

impl Scope for SocketFilters {
    fn add(&mut self, _workload: &Workload) -> Result<(), LoadError> {
        Ok(())
    }

    fn remove(&mut self, _workload: &Workload) {}
}
