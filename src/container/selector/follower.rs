//! Which mount namespaces an in-kernel filter has to let through, as containers come and go.

use std::collections::HashSet;
use std::sync::Arc;

use super::Selector;
use crate::container::Inventory;

/// Compares the containers a selector takes now with those it took before.
pub struct Follower {
    inventory: Arc<Inventory>,
    selector: Selector,
    current: HashSet<u64>,
    generation: Option<u64>,
}

impl Follower {
    /// A follower that has seen nothing: its first changes are everything selected.
    pub fn new(inventory: Arc<Inventory>, selector: Selector) -> Self {
        Follower { inventory, selector, current: HashSet::new(), generation: None }
    }

    /// Mount namespaces added and removed since the last call. Cheap when the inventory did not change.
    pub fn changes(&mut self) -> (Vec<u64>, Vec<u64>) {
        let snapshot = self.inventory.snapshot();
        if self.generation.replace(snapshot.generation()) == Some(snapshot.generation()) {
            return (Vec::new(), Vec::new());
        }
        let selected = snapshot.running().filter(|c| c.mntns != 0 && self.selector.matches(c)).map(|c| c.mntns);
        let mut next: HashSet<u64> = selected.collect();
        if self.selector.includes_host() && snapshot.host_mntns() != 0 {
            next.insert(snapshot.host_mntns());
        }
        let added = next.difference(&self.current).copied().collect();
        let removed = self.current.difference(&next).copied().collect();
        self.current = next;
        (added, removed)
    }
}
