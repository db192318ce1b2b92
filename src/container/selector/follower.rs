//! Which mount namespaces an in-kernel filter has to let through, as containers come and go.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::Selector;
use crate::container::snapshot::Snapshot;
use crate::container::{Inventory, PATIENCE, SeenNamespace};

/// Compares the containers a selector takes now with those it took before.
pub struct Follower {
    inventory: Arc<Inventory>,
    selector: Selector,
    current: HashSet<u64>,
    /// Namespaces that the kernel has let through itself and whose first process is not where it belongs yet, since when.
    entering: HashMap<u64, Instant>,
    /// What the kernel has let through since the last changes.
    admitted: Vec<u64>,
    generation: Option<u64>,
    undecided: bool,
}

impl Follower {
    /// A follower that has seen nothing: its first changes are everything selected.
    pub fn new(inventory: Arc<Inventory>, selector: Selector) -> Self {
        let (current, entering, admitted) = Default::default();
        Follower { inventory, selector, current, entering, admitted, generation: None, undecided: false }
    }

    /// Notes that the kernel has let a new namespace through itself. The next changes have it in any case: what was decided about an earlier
    /// one of its number says nothing.
    pub fn admitted(&mut self, seen: SeenNamespace, now: Instant) {
        match seen.settled {
            true => self.entering.remove(&seen.mntns),
            false => self.entering.insert(seen.mntns, now),
        };
        self.admitted.push(seen.mntns);
    }

    /// Mount namespaces added and removed since the last call. Cheap when the inventory did not change.
    ///
    /// A container of which not all is known yet is let through until it is, or at last until [`crate::container::PATIENCE`] has passed: its
    /// first events may be wanted. Whoever reads them selects once more.
    pub fn changes(&mut self, now: Instant) -> (Vec<u64>, Vec<u64>) {
        let snapshot = self.inventory.snapshot();
        let is_same = self.generation.replace(snapshot.generation()) == Some(snapshot.generation());
        if is_same && !self.undecided && self.admitted.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let next = self.wanted(&snapshot, now);
        for mntns in self.admitted.drain(..) {
            match next.contains(&mntns) {
                true => self.current.remove(&mntns),
                false => self.current.insert(mntns),
            };
        }
        let added = next.difference(&self.current).copied().collect();
        let removed = self.current.difference(&next).copied().collect();
        self.current = next;
        (added, removed)
    }

    fn wanted(&mut self, snapshot: &Snapshot, now: Instant) -> HashSet<u64> {
        let mut next = HashSet::with_capacity(self.current.len());
        self.undecided = false;
        for (mntns, entry) in snapshot.namespaces() {
            if !self.selector.selects_all_containers() && !snapshot.is_settled(entry, now) {
                self.undecided = true;
                next.insert(mntns);
            } else if snapshot.container(entry).is_some_and(|container| self.selector.matches(container)) {
                next.insert(mntns);
            }
        }
        self.entering.retain(|mntns, since| snapshot.by_mntns(*mntns).is_none() && now.saturating_duration_since(*since) < PATIENCE);
        self.undecided |= !self.entering.is_empty();
        next.extend(self.entering.keys());
        if self.selector.includes_host() && snapshot.host_mntns() != 0 {
            next.insert(snapshot.host_mntns());
        }
        next
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
