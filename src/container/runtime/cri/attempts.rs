//! Which containers still have to be asked about, and when. A runtime may not know of a container yet, or never.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How many times a container is asked about that nobody knows or that does not run yet.
const LIMIT: u32 = 8;
/// First and longest pause between two questions about one container.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Most containers that are waited for.
const ROOM: usize = 20_000;

struct Attempt {
    count: u32,
    due: Instant,
    /// A question is under way.
    asking: bool,
    /// There is something new since it was asked.
    outdated: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Attempts {
    open: HashMap<String, Attempt>,
    /// Containers about which everything is known.
    settled: HashSet<String>,
}

impl Attempts {
    /// Notes that a container was seen. Does nothing if it is settled or waited for.
    pub fn seen(&mut self, id: &str, now: Instant) {
        if !self.settled.contains(id) && !self.open.contains_key(id) && self.open.len() < ROOM {
            self.open.insert(id.to_owned(), Attempt { count: 0, due: now, asking: false, outdated: false });
        }
    }

    /// Notes that there is something new about a container, which is asked about from the start then.
    pub fn changed(&mut self, id: &str, now: Instant) {
        self.settled.remove(id);
        match self.open.get_mut(id) {
            Some(attempt) => *attempt = Attempt { count: 0, due: now, outdated: attempt.asking, ..*attempt },
            None => self.seen(id, now),
        }
    }

    /// Notes that a container is listed as running: one that was given up is asked about once more.
    pub fn listed(&mut self, id: &str, now: Instant) {
        match self.open.get_mut(id) {
            Some(attempt) if attempt.count >= LIMIT => (attempt.count, attempt.due) = (LIMIT - 1, now),
            Some(_) => {}
            None => self.seen(id, now),
        }
    }

    /// Takes up to `room` ids that are due; each has to be answered by [`Attempts::settle`] or [`Attempts::again`].
    pub fn take(&mut self, room: usize, now: Instant) -> Vec<String> {
        let due = self.open.iter_mut().filter(|(_, a)| !a.asking && a.count < LIMIT && a.due <= now).take(room);
        due.map(|(id, attempt)| {
            attempt.asking = true;
            id.clone()
        })
        .collect()
    }

    /// Whether there are containers that were never asked about.
    pub fn has_new(&self) -> bool {
        self.open.values().any(|attempt| attempt.count == 0 && !attempt.asking)
    }

    /// When the next question is due, if any is.
    pub fn next(&self) -> Option<Instant> {
        self.open.values().filter(|a| !a.asking && a.count < LIMIT).map(|a| a.due).min()
    }

    /// Everything is known about a container.
    pub fn settle(&mut self, id: &str) {
        if let Some(attempt) = self.open.get_mut(id).filter(|attempt| attempt.outdated) {
            (attempt.asking, attempt.outdated) = (false, false);
            return;
        }
        self.open.remove(id);
        if self.settled.len() < ROOM {
            self.settled.insert(id.to_owned());
        }
    }

    /// A question led to nothing yet.
    pub fn again(&mut self, id: &str, now: Instant) {
        if let Some(attempt) = self.open.get_mut(id) {
            attempt.asking = false;
            if std::mem::take(&mut attempt.outdated) {
                return;
            }
            attempt.count += 1;
            attempt.due = now + (PAUSES.0 * 2_u32.pow((attempt.count - 1).min(6))).min(PAUSES.1);
        }
    }

    /// Forgets a container.
    pub fn forget(&mut self, id: &str) {
        self.open.remove(id);
        self.settled.remove(id);
    }

    /// Forgets all containers but these, and those that are being asked about.
    pub fn retain(&mut self, kept: impl Fn(&str) -> bool) {
        self.open.retain(|id, attempt| attempt.asking || kept(id));
        self.settled.retain(|id| kept(id));
    }
}
