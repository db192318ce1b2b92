//! Ids of containerd are unique within a namespace, those of the inventory everywhere.

use std::collections::{HashMap, HashSet};

/// Most ids remembered. Beyond, namespaces are not told apart.
const LIMIT: usize = 100_000;

/// Which namespace an id stands for. The first that uses it keeps it; the same id in another one becomes `namespace/id`.
#[derive(Default)]
pub(super) struct Ids {
    owners: HashMap<String, String>,
    /// The ids with a namespace that were given out.
    others: HashSet<String>,
}

impl Ids {
    /// What a container is called in the inventory.
    pub fn of(&mut self, namespace: &str, id: &str) -> String {
        let full = format!("{namespace}/{id}");
        let room = self.owners.len() + self.others.len() < LIMIT;
        match self.owners.get(id) {
            _ if self.others.contains(&full) => full,
            Some(owner) if owner == namespace => id.to_owned(),
            Some(_) if room => {
                self.others.insert(full.clone());
                full
            }
            None if room => {
                self.owners.insert(id.to_owned(), namespace.to_owned());
                id.to_owned()
            }
            _ => id.to_owned(),
        }
    }

    /// Notes that a container was deleted, and gives what it was called.
    pub fn release(&mut self, namespace: &str, id: &str) -> String {
        let name = self.of(namespace, id);
        if !self.others.remove(&name) && self.owners.get(id).is_some_and(|owner| owner == namespace) {
            self.owners.remove(id);
        }
        name
    }

    /// Forgets every id that is not among these.
    pub fn retain(&mut self, kept: impl Fn(&str) -> bool) {
        self.owners.retain(|id, _| kept(id));
        self.others.retain(|id| kept(id));
    }
}
