//! Traffic control classifiers on the host's end of each container's interface, behind a dispatcher.

use super::{Scope, Workload};
use crate::loader::error::LoadError;
use crate::loader::object::LoadedProgram;

/// Traffic control classifiers on the host's end of each container's interface, behind a dispatcher.
pub(super) struct Classifiers {
    _gadget: String,
    _programs: Vec<LoadedProgram>,
}

impl Classifiers {
    pub(super) fn new(gadget: &str, programs: Vec<LoadedProgram>) -> Self {
        Classifiers { _gadget: gadget.to_owned(), _programs: programs }
    }
}

impl Scope for Classifiers {
    fn add(&mut self, _workload: &Workload) -> Result<(), LoadError> {
        Ok(())
    }

    fn remove(&mut self, _workload: &Workload) {}
}
