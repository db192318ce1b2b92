//! Attachments that several workloads have in common: made for the first, dropped after the last.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use super::Workload;

/// Attachments by what they are attached to.
pub(super) struct Shared<K, T> {
    held: HashMap<K, (T, HashSet<Arc<str>>)>,
}

impl<K: Eq + Hash + Copy, T> Shared<K, T> {
    pub(super) fn new() -> Self {
        Shared { held: HashMap::new() }
    }

    /// Notes that the workload uses what is at `key`, which `make` makes if it is not there.
    pub(super) fn join<E>(&mut self, key: K, workload: &Workload, make: impl FnOnce() -> Result<T, E>) -> Result<(), E> {
        if let Some((_, users)) = self.held.get_mut(&key) {
            users.insert(workload.id.clone());
            return Ok(());
        }
        self.held.insert(key, (make()?, HashSet::from([workload.id.clone()])));
        Ok(())
    }

    /// Notes that the workload uses nothing any more, and gives what nobody uses now.
    pub(super) fn leave(&mut self, workload: &Workload) -> Vec<T> {
        for (_, users) in self.held.values_mut() {
            users.remove(&workload.id);
        }
        self.held.extract_if(|_, (_, users)| users.is_empty()).map(|(_, (attachment, _))| attachment).collect()
    }

    /// Gives everything.
    pub(super) fn take(&mut self) -> Vec<T> {
        self.held.drain().map(|(_, (attachment, _))| attachment).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;
    use crate::loader::Workload;

    fn workload(id: &str) -> Workload {
        Workload { id: id.into(), pid: 1, mntns: 1, netns: 1, host_network: false }
    }

    /// What two share is made once and given back with the second to leave; a failure leaves nothing behind.
    #[test]
    fn the_last_one_to_leave_ends_it() {
        let mut shared = Shared::new();
        let (a, b) = (workload("a"), workload("b"));
        assert_eq!(shared.join(7, &a, || Err::<&str, &str>("no")), Err("no"));
        shared.join(7, &a, || Ok::<_, ()>("first")).unwrap();
        shared.join(7, &b, || -> Result<&str, ()> { panic!("it is there") }).unwrap();
        shared.join(8, &b, || Ok::<_, ()>("second")).unwrap();
        assert_eq!(shared.leave(&a), Vec::<&str>::new());
        shared.join(7, &b, || -> Result<&str, ()> { panic!("it is there") }).unwrap();
        let mut left = shared.leave(&b);
        left.sort_unstable();
        assert_eq!(left, ["first", "second"]);
        assert!(shared.take().is_empty());
    }
}
