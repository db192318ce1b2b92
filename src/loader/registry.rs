//! Which programs in the kernel are ours, and which gadget's, for statistics about them.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::GadgetIdentity;
use crate::kernel::programs;

static OWNERS: Mutex<BTreeMap<u32, Arc<GadgetIdentity>>> = Mutex::new(BTreeMap::new());

/// The programs of one loaded gadget. Dropping it forgets them.
#[derive(Debug, Default)]
pub(super) struct Registration {
    programs: Vec<u32>,
}

impl Registration {
    /// Notes the programs of a gadget.
    pub(super) fn new<'a>(gadget: &GadgetIdentity, programs: impl Iterator<Item = BorrowedFd<'a>>) -> Self {
        let programs: Vec<u32> = programs.filter_map(|program| Some(programs::stat(program).ok()?.id)).collect();
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
