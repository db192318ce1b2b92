//! User-space probes in the files of each container.

use super::{Scope, Workload};
use crate::loader::error::LoadError;
use crate::loader::object::LoadedProgram;

/// User-space probes in the files of each container.
pub(super) struct Uprobes {
    _gadget: String,
    _programs: Vec<LoadedProgram>,
}

impl Uprobes {
    pub(super) fn new(gadget: &str, programs: Vec<LoadedProgram>) -> Self {
        Uprobes { _gadget: gadget.to_owned(), _programs: programs }
    }
}

impl Scope for Uprobes {
    fn add(&mut self, _workload: &Workload) -> Result<(), LoadError> {
        Ok(())
    }

    fn remove(&mut self, _workload: &Workload) {}
}
