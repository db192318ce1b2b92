//! Which mount namespaces an in-kernel filter has to let through, as containers come and go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::Selector;
use crate::container::Inventory;

/// Compares the containers a selector takes now with those it took before.
pub struct Follower {
    inventory: Arc<Inventory>,
    selector: Selector,
    current: HashSet<u64>,
    generation: Option<u64>,
    undecided: bool,
}

impl Follower {
    /// A follower that has seen nothing: its first changes are everything selected.
    pub fn new(inventory: Arc<Inventory>, selector: Selector) -> Self {
        Follower { inventory, selector, current: HashSet::new(), generation: None, undecided: false }
    }

    /// Mount namespaces added and removed since the last call. Cheap when the inventory did not change.
    ///
    /// A container of which not all is known yet is let through until it is, or at last until [`crate::container::PATIENCE`] has passed: its
    /// first events may be wanted. Whoever reads them selects once more.
    pub fn changes(&mut self, now: Instant) -> (Vec<u64>, Vec<u64>) {
        let snapshot = self.inventory.snapshot();
        let undecided = std::mem::take(&mut self.undecided);
        if self.generation.replace(snapshot.generation()) == Some(snapshot.generation()) && !undecided {
            return (Vec::new(), Vec::new());
        }
        let mut next: HashSet<u64> = HashSet::new();
        for (mntns, entry) in snapshot.namespaces() {
            if !self.selector.selects_all_containers() && !snapshot.is_settled(entry, now) {
                self.undecided = true;
                next.insert(mntns);
            } else if snapshot.container(entry).is_some_and(|container| self.selector.matches(container)) {
                next.insert(mntns);
            }
        }
        if self.selector.includes_host() && snapshot.host_mntns() != 0 {
            next.insert(snapshot.host_mntns());
        }
        let added = next.difference(&self.current).copied().collect();
        let removed = self.current.difference(&next).copied().collect();
        self.current = next;
        (added, removed)
    }

    /// Whether some container has to be looked at again although nothing may change: after [`crate::container::PATIENCE`] it is taken as it is.
    pub fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// Takes back that a namespace was added, so that the next changes have it again.
    pub fn refused(&mut self, mntns: u64) {
        self.current.remove(&mntns);
        self.undecided = true;
    }

    /// Mount namespaces that are let through.
    pub fn len(&self) -> usize {
        self.current.len()
    }

    /// Whether nothing is let through.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }
}
