//! Which programs in the kernel are ours, and which gadget's, for statistics about them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::GadgetIdentity;

static OWNERS: Mutex<BTreeMap<u32, Arc<GadgetIdentity>>> = Mutex::new(BTreeMap::new());

/// The programs of one loaded gadget. Dropping it forgets them.
#[derive(Debug, Default)]
pub(super) struct Registration {
    programs: Vec<u32>,
}

impl Registration {
    /// Notes the programs of a gadget by the kernel's ids.
    pub(super) fn new(gadget: &GadgetIdentity, programs: Vec<u32>) -> Self {
        let gadget = Arc::new(gadget.clone());
        let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
        owners.extend(programs.iter().map(|id| (*id, gadget.clone())));
        Registration { programs }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
        self.programs.iter().for_each(|id| _ = owners.remove(id));
    }
}

/// The gadget of each of our programs, by the kernel's id.
pub fn own_programs() -> BTreeMap<u32, Arc<GadgetIdentity>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
