//! Whose a row is: by mount namespace, by network namespace, by process.

use std::sync::Arc;
use std::time::Instant;

use super::cache::Cache;
use crate::batch::UNKNOWN_ENTRY;
use crate::container::{Inventory, Naming, ProcessOwner, Snapshot};

/// What is known of the name behind an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Class {
    /// It is the host's: there is nothing to name.
    #[default]
    Host,
    /// It has its name.
    Named,
    /// It belongs to a container that nobody has named in time.
    Unnamed,
    /// A name may still come.
    Pending,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 4;
}

/// The dictionary entry of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub entry: u32,
    pub class: Class,
}

impl Answer {
    pub const HOST: Answer = Answer { entry: UNKNOWN_ENTRY, class: Class::Host };
    const UNKNOWN: Answer = Answer { entry: UNKNOWN_ENTRY, class: Class::Pending };
}

/// The last answers, from batch to batch.
#[derive(Default)]
pub(super) struct Caches {
    mntns: Cache,
    processes: Cache,
}

/// What a batch's rows are looked up in.
pub(super) struct Names<'a> {
    inventory: &'a Inventory,
    snapshot: Arc<Snapshot>,
    caches: &'a mut Caches,
    now: Instant,
    /// Processes in the host's mount namespace may belong to units.
    has_units: bool,
    /// A name is not enough: whoever selects wants to know all that the runtime tells.
    thorough: bool,
}

impl<'a> Names<'a> {
    pub fn begin(inventory: &'a Inventory, caches: &'a mut Caches, now: Instant, thorough: bool) -> Self {
        let snapshot = inventory.snapshot();
        let has_units = snapshot.has_units();
        caches.mntns.begin(snapshot.generation(), now);
        caches.processes.begin(snapshot.generation(), now);
        Names { inventory, snapshot, caches, now, has_units, thorough }
    }

    /// What the entries that were given stand for.
    pub fn end(self) -> Arc<Snapshot> {
        self.snapshot
    }

    #[inline]
    pub fn of_mntns(&mut self, mntns: u64, pid: impl Fn() -> u32) -> Answer {
        if self.has_units && mntns == self.snapshot.host_mntns() {
            return self.of_process(pid());
        }
        match self.caches.mntns.get(mntns) {
            Some(answer) => answer,
            None => self.look_up(mntns, pid()),
        }
    }

    /// Several containers in one namespace are told apart by the process, where one is known.
    pub fn of_netns(&mut self, netns: u64, pid: impl Fn() -> u32) -> Answer {
        let entry = self.snapshot.by_netns(netns);
        let is_shared = netns == self.snapshot.host_netns() || entry.is_some_and(|entry| self.snapshot.is_group(entry));
        if is_shared {
            let pid = pid();
            let owner = if pid == 0 { Answer::HOST } else { self.of_process(pid) };
            if owner.class != Class::Host {
                return owner;
            }
        }
        entry.map_or(Answer::HOST, |entry| self.answer(entry))
    }

    fn of_process(&mut self, pid: u32) -> Answer {
        if let Some(answer) = self.caches.processes.get(u64::from(pid)) {
            return answer;
        }
        let answer = match pid {
            0 => Answer::HOST,
            _ if !self.caches.processes.may_resolve() => Answer::UNKNOWN,
            _ => match self.inventory.resolve_process(pid) {
                ProcessOwner::Container(entry) => self.fresh(entry),
                // One that is gone and left no trace is not worth waiting for.
                ProcessOwner::Host | ProcessOwner::Unknown => Answer::HOST,
            },
        };
        self.caches.processes.keep_for_a_moment(u64::from(pid), answer);
        answer
    }

    #[cold]
    fn look_up(&mut self, mntns: u64, pid: u32) -> Answer {
        if mntns == 0 || mntns == self.snapshot.host_mntns() {
            self.caches.mntns.keep(mntns, Answer::HOST);
            return Answer::HOST;
        }
        if self.snapshot.is_doubtful(mntns) {
            self.inventory.catch_up();
            self.snapshot = self.inventory.snapshot();
            if let Some(entry) = self.snapshot.by_mntns(mntns) {
                return self.answer(entry);
            }
        }
        if let Some(entry) = self.snapshot.by_mntns(mntns) {
            let answer = self.answer(entry);
            match answer.class {
                Class::Pending => self.caches.mntns.keep_for_a_moment(mntns, answer),
                _ => self.caches.mntns.keep(mntns, answer),
            }
            return answer;
        }
        let answer = match self.caches.mntns.may_resolve() {
            false => Answer::UNKNOWN,
            true => match self.inventory.resolve(mntns, pid) {
                ProcessOwner::Container(entry) => self.fresh(entry),
                ProcessOwner::Host => Answer::HOST,
                ProcessOwner::Unknown => Answer::UNKNOWN,
            },
        };
        self.caches.mntns.keep_for_a_moment(mntns, answer);
        answer
    }

    /// The batch's one dictionary has to know the new entry. Entries of earlier rows stay in it for a while.
    fn fresh(&mut self, entry: u32) -> Answer {
        self.snapshot = self.inventory.snapshot();
        self.answer(entry)
    }

    fn answer(&self, entry: u32) -> Answer {
        let class = match self.snapshot.naming(entry, self.now, self.thorough) {
            Naming::Named => Class::Named,
            Naming::Open => Class::Pending,
            Naming::Nameless => Class::Unnamed,
        };
        Answer { entry, class }
    }
}
