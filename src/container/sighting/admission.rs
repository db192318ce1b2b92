//! That the kernel's watcher lets new mount namespaces through a gadget's filter, as long as somebody wants it.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::KernelTable;

/// Ends when it is dropped. Not to be dropped by a gate, which the watcher waits for.
pub struct Admission {
    table: Arc<dyn KernelTable>,
    place: u32,
}

impl Admission {
    /// Asks the watcher for it.
    pub fn open(table: &Arc<dyn KernelTable>, filter: BorrowedFd<'_>) -> Option<Self> {
        let place = table.open_filter(filter)?;
        Some(Admission { table: table.clone(), place })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.table.close_filter(self.place);
    }
}
