//! Which objects are there, so that those that a listing no longer has are noticed.

use std::collections::HashSet;

/// Most objects of one kind. More are not taken: nobody would be told when they go.
const MAX_OBJECTS: usize = 100_000;

/// Uids of the objects of one kind.
#[derive(Default)]
pub(super) struct Seen {
    known: HashSet<String>,
    listed: HashSet<String>,
    listing: bool,
    full: bool,
}

impl Seen {
    /// A listing begins.
    pub fn begin(&mut self) {
        self.listed.clear();
        self.listing = true;
    }

    /// Notes an object. False when there is no room for it.
    pub fn put(&mut self, uid: &str) -> bool {
        if !self.known.contains(uid) {
            if self.known.len() >= MAX_OBJECTS {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::warn!(limit = MAX_OBJECTS, "the API server has more objects of a kind than are kept");
                }
                return false;
            }
            self.known.insert(uid.to_owned());
        }
        if self.listing {
            self.listed.insert(uid.to_owned());
        }
        true
    }

    /// Notes that an object is gone.
    pub fn remove(&mut self, uid: &str) {
        self.known.remove(uid);
    }

    /// The listing is complete. Gives what it no longer had.
    pub fn complete(&mut self) -> Vec<String> {
        self.listing = false;
        let listed = std::mem::take(&mut self.listed);
        self.known.extract_if(|uid| !listed.contains(uid)).collect()
    }
}
