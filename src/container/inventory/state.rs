//! The writer's side of the inventory: every container's phase. Methods only mark the state dirty when something changed.

mod changes;
mod merge;
mod networks;
mod pods;
mod publish;
mod users;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{GRACE, MAX_CONTAINERS};
use crate::container::index::Index;
use crate::container::process::{self, Held};
use crate::container::record::Container;
use crate::container::snapshot::{Entry, PATIENCE, UNNAMED_ENTRY};
use changes::Changes;
use merge::Rank;
use networks::Shared;
use pods::Pods;
use publish::Marks;
use users::Users;

/// Mount namespaces beside its own that a container may have at once (processes in it that unshared).
const MAX_ALIASES: usize = 16;

struct Slot {
    key: Arc<str>,
    number: u32,
    entry: Arc<Entry>,
    marks: Marks,
    running: bool,
    /// When it was last heard that it runs, or for the first time that it is there.
    heard: Instant,
    /// The best source that has told of it.
    rank: Rank,
    /// Since when it does not run any more, until it is let go.
    ended: Option<Instant>,
    /// When the runtime says it ended, in nanoseconds since the epoch; tells old news from new.
    finished_ns: i64,
    /// Keeps the kernel from giving the mount namespace's number to another one while it still names events.
    held: Option<Held>,
    /// Further mount namespaces, oldest first.
    aliases: Vec<u64>,
}

impl Slot {
    /// Notes which source has told of it; gives whether that is news to those who wait for it.
    fn told_by(&mut self, rank: Rank) -> bool {
        self.rank = self.rank.max(rank);
        self.is_known() && !self.entry.told.swap(true, Ordering::Relaxed)
    }

    /// The runtime has it, running or not. False for one that was only seen in the kernel.
    fn is_known(&self) -> bool {
        self.rank > Rank::Seen
    }
}

/// All containers, by their keys.
pub(in crate::container) struct State {
    host_mntns: u64,
    host_netns: u64,
    node: Arc<str>,
    slots: HashMap<Arc<str>, Slot>,
    pods: Pods,
    /// What containers with the same network namespace have in common, by that namespace.
    shared: HashMap<u64, Shared>,
    /// Replaced and removed entries, for batches whose first rows were named before the change and the last after it.
    retired: Vec<(u32, Arc<Entry>, Instant)>,
    /// What was published last.
    index: Index,
    changes: Changes,
    users: Users,
    /// Whether units of systemd were ever told of.
    has_units: bool,
    /// Namespaces whose numbers may be given to others as soon as nobody reads here any more whose they were.
    released: Vec<Held>,
    next: u32,
    refused: u64,
    dirty: bool,
    published: Instant,
    /// Of keys: with numbers of our own, since strangers choose ids.
    hasher: RandomState,
}

impl State {
    pub fn new(host_mntns: u64, node: Arc<str>) -> Self {
        State {
            host_mntns,
            host_netns: process::host_netns().unwrap_or(0),
            node,
            slots: HashMap::new(),
            pods: Pods::default(),
            shared: HashMap::new(),
            retired: Vec::new(),
            index: Index::default(),
            changes: Changes::default(),
            users: Users::default(),
            has_units: false,
            released: Vec::new(),
            next: UNNAMED_ENTRY + 1,
            refused: 0,
            dirty: false,
            published: Instant::now(),
            hasher: RandomState::new(),
        }
    }

    /// Whether there is something to publish.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// How long ago something was published, if there is something new.
    pub fn unpublished_for(&self) -> Option<Duration> {
        self.dirty.then(|| self.published.elapsed())
    }

    /// What has to be let go once the state is published: before that, a new namespace would be taken for an old one.
    pub fn take_released(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.released)
    }

    pub fn running(&self) -> usize {
        self.slots.values().filter(|s| s.running && !s.marks.is_sandbox).count()
    }

    pub fn kept(&self) -> usize {
        self.slots.len()
    }

    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether a runtime has told of this container.
    pub fn knows(&self, key: &str) -> bool {
        self.slots.get(key).is_some_and(Slot::is_known)
    }

    /// Notes a container that exists but is not known to run, so that its first process can be named. What was learnt
    /// from a process of it before is kept.
    pub fn register(&mut self, container: Container) {
        let (key, rank) = (container.key(), Rank::of(&container));
        let slot = self.slots.get(key.as_str());
        if slot.is_some_and(|s| s.running && s.rank >= rank && s.is_known() && s.entry.container.is_named()) {
            return;
        }
        let running = slot.is_some_and(|s| s.running);
        let container = match slot {
            Some(slot) => merge::process_of(&slot.entry.container, merge::facts(&slot.entry.container, container, rank >= slot.rank)),
            None => container,
        };
        let Some(slot) = self.put(container, running) else { return };
        if running {
            slot.ended = None;
        }
        let news = slot.told_by(rank);
        self.dirty |= news;
    }

    /// Notes what an OCI runtime is told of a container that it is about to make, or what conmon is told of it.
    pub fn prepare(&mut self, container: Container) {
        let key = container.key();
        let old = self.slots.get(key.as_str());
        let container = match old {
            // Somebody chose the id of one that is over for a new one.
            Some(slot) if slot.ended.is_some() && slot.rank <= Rank::Bundle => container,
            Some(slot) => merge::process_of(&slot.entry.container, merge::facts(&slot.entry.container, container, false)),
            None => container,
        };
        let running = old.is_some_and(|slot| slot.running);
        self.put(container, running);
    }

    /// Notes a running container with its namespaces. News older than its last end is ignored.
    pub fn start(&mut self, container: Container, held: Option<Held>) {
        let (key, rank) = (container.key(), Rank::of(&container));
        let started = container.runtime.container_started_at;
        let stale = |s: &Slot| started != 0 && started <= s.finished_ns;
        let old = self.slots.get(key.as_str());
        if old.is_some_and(stale) {
            // It is over already, but what is told of it may be new.
            return self.register(container);
        }
        let container = match old {
            Some(slot) if container.mntns == 0 => {
                merge::process_of(&slot.entry.container, merge::facts(&slot.entry.container, container, rank >= slot.rank))
            }
            Some(slot) => {
                let facts = merge::facts(&slot.entry.container, container.clone(), rank >= slot.rank);
                merge::process_of(&container, facts)
            }
            None => container,
        };
        let Some(slot) = self.put(container, true) else { return };
        slot.ended = None;
        let news = slot.told_by(rank);
        let old = held.and_then(|held| slot.held.replace(held));
        self.dirty |= news;
        self.released.extend(old);
    }

    /// Notes that a process with mount namespace `container.mntns` belongs to a container whose start was not told yet.
    /// Returns its entry, or `None` when there is no room.
    pub fn seen(&mut self, container: Container, held: Option<Held>) -> Option<u32> {
        self.vacate(container.mntns, &container.key());
        let key = container.key();
        let container = match self.slots.get(key.as_str()) {
            Some(slot) if slot.running && slot.entry.container.mntns == container.mntns && slot.entry.container.cgroup_id == 0 => {
                let mut known = slot.entry.container.clone();
                merge::cgroup_of(&container, &mut known);
                known
            }
            Some(slot) if slot.running && slot.entry.container.mntns != 0 => return self.alias(&key, container.mntns),
            Some(slot) => merge::process_of(&container.clone(), merge::facts(&slot.entry.container, container, false)),
            None => container,
        };
        let slot = self.put(container, true)?;
        let number = slot.number;
        slot.ended = None;
        let old = held.and_then(|held| slot.held.replace(held));
        self.released.extend(old);
        Some(number)
    }

    /// Whether this is a running container's first process, which is where it was seen before. Its namespace is held, so that the number
    /// cannot be another's.
    pub fn has_first(&self, mntns: u64, pid: u32, cgroup: u64) -> bool {
        let mut slots = self.slots.values().filter(|slot| slot.marks.mntns == mntns && slot.marks.cgroup == cgroup);
        slots.any(|slot| slot.running && slot.held.is_some() && slot.entry.container.runtime.container_pid == pid)
    }

    /// `container` with what is known of its first process, if that is the one with this id and its namespace is held.
    pub fn with_process(&self, container: &Container, pid: u32) -> Option<Container> {
        let slot = self.slots.get(container.key().as_str())?;
        let known = &slot.entry.container;
        let is_known = slot.running && slot.held.is_some() && known.runtime.container_pid == pid && known.cgroup_id != 0;
        let mut container = is_known.then(|| merge::process_of(known, container.clone()))?;
        if container.bundle.is_empty() {
            container.bundle.clone_from(&known.bundle);
        }
        Some(container)
    }

    /// Notes that a container nobody manages runs: what its bundle and the kernel say is all there will ever be.
    pub fn confirm(&mut self, key: &str) {
        let news = self.slots.get_mut(key).is_some_and(|slot| slot.told_by(Rank::Bundle));
        self.dirty |= news;
    }

    fn alias(&mut self, key: &str, mntns: u64) -> Option<u32> {
        let slot = self.slots.get_mut(key)?;
        if slot.entry.container.mntns != mntns && !slot.aliases.contains(&mntns) {
            self.changes.note(slot);
            self.users.remove(slot);
            if slot.aliases.len() >= MAX_ALIASES {
                slot.aliases.remove(0);
            }
            slot.aliases.push(mntns);
            self.users.add(slot);
            self.dirty = true;
        }
        Some(slot.number)
    }

    /// Notes that the kernel has given a mount namespace's number to a new one: it is nobody's any more but `key`'s.
    pub fn vacate(&mut self, mntns: u64, key: &str) {
        if !self.users.have_mntns(mntns) {
            return;
        }
        let mut stale = Vec::new();
        let concerns = |slot: &Slot| slot.marks.mntns == mntns || slot.aliases.contains(&mntns);
        for slot in self.slots.values_mut().filter(|slot| concerns(slot) && &*slot.key != key) {
            if slot.aliases.contains(&mntns) {
                self.changes.note(slot);
                self.users.remove(slot);
                slot.aliases.retain(|alias| *alias != mntns);
                self.users.add(slot);
                self.dirty = true;
            }
            if !slot.running && slot.held.is_none() && slot.marks.mntns == mntns && mntns != 0 {
                stale.push(slot.entry.container.clone());
            }
        }
        for container in stale {
            self.put(merge::process_of(&Container::default(), container), false);
        }
    }

    pub fn set_node(&mut self, name: &str) {
        if *self.node != *name {
            self.node = name.into();
            self.dirty = true;
        }
    }

    /// Notes that a container ended at `unix_ns` (0: unknown). Events from before its last start are ignored.
    pub fn end(&mut self, key: &str, unix_ns: i64, now: Instant) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if unix_ns != 0 && slot.entry.container.runtime.container_started_at > unix_ns {
            return;
        }
        slot.finished_ns = slot.finished_ns.max(unix_ns);
        self.stop(key, now);
    }

    /// Notes that a container does not run any more.
    pub fn stop(&mut self, key: &str, now: Instant) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if slot.running {
            self.changes.note(slot);
            slot.running = false;
            slot.ended = Some(now);
            self.dirty = true;
        }
        // Nobody keeps stopped containers of this kind.
        if slot.rank == Rank::Bundle {
            slot.rank = Rank::Seen;
        }
    }

    /// Notes that the last process has left a cgroup, at `unix_ns` (0: unknown). A start that is told of later and is older is old news.
    /// Gives whether it was a container's.
    pub fn emptied(&mut self, cgroup: u64, unix_ns: i64, now: Instant) -> bool {
        if !self.users.have_cgroup(cgroup) {
            return false;
        }
        let of_cgroup = |s: &&mut Slot| s.running && s.marks.cgroup == cgroup;
        let Some(slot) = self.slots.values_mut().find(of_cgroup) else { return false };
        slot.finished_ns = slot.finished_ns.max(unix_ns);
        let key = slot.entry.container.key();
        self.stop(&key, now);
        true
    }

    /// Notes that a container was deleted.
    pub fn forget(&mut self, key: &str, now: Instant) {
        self.stop(key, now);
        if let Some(slot) = self.slots.get_mut(key) {
            slot.rank = Rank::Seen;
            self.changes.note(slot);
            slot.ended.get_or_insert(now);
        }
    }

    /// Gives a container a new name.
    pub fn rename(&mut self, key: &str, name: &str) {
        let Some(slot) = self.slots.get(key) else { return };
        let mut container = slot.entry.container.clone();
        container.runtime.container_name = name.to_owned();
        let running = slot.running;
        self.put(container, running);
    }

    /// After a full listing that was asked for at `asked`: whatever of `runtime` is not in `listed` has been deleted, whatever not in
    /// `running` stopped. What was heard of since is left alone: the listing may be from before.
    pub fn retain(&mut self, runtime: &str, listed: &HashSet<String>, running: &HashSet<String>, asked: Instant) {
        let of_runtime = |s: &&Slot| s.is_known() && s.heard < asked && s.entry.container.runtime.runtime_name == runtime;
        let keys: Vec<String> = self.slots.values().filter(of_runtime).map(|s| s.entry.container.key()).collect();
        let now = Instant::now();
        for key in keys {
            if !listed.contains(&key) {
                self.forget(&key, now);
            } else if !running.contains(&key) {
                self.stop(&key, now);
            }
        }
    }

    /// Lets go of what ended [`GRACE`] ago, and of what was seen so long ago, never confirmed, and cannot be looked after.
    pub fn sweep(&mut self, now: Instant) {
        let over = |since: Instant| now.saturating_duration_since(since) >= GRACE;
        let mut stopped = Vec::new();
        let before = self.slots.len();
        // Nobody misses these, so their going is no change.
        self.retired.retain(|(_, _, since)| !over(*since));
        self.slots.retain(|_, slot| {
            match slot.ended {
                Some(since) if over(since) && !slot.is_known() => {
                    self.changes.note_end(slot);
                    self.users.remove(slot);
                    self.retired.push((slot.number, slot.entry.clone(), now));
                    self.released.extend(slot.held.take());
                    return false;
                }
                Some(since) if over(since) => stopped.push(slot.entry.container.clone()),
                // Neither: only prepared, or seen through a process that is not its first: let it be looked up again.
                None if slot.is_known() || (slot.running && slot.entry.container.is_observable()) => {}
                None => {
                    self.changes.note(slot);
                    slot.ended = Some(now);
                }
                _ => {}
            }
            true
        });
        self.dirty |= before != self.slots.len();
        stopped.into_iter().for_each(|container| self.rest(container));
        self.name_after_ids(now, false);
        self.tidy_pods();
        self.gather_older();
    }

    /// Names containers after their ids that nobody has named for [`PATIENCE`]: those that a runtime told of, or `all`.
    pub fn name_after_ids(&mut self, now: Instant, all: bool) {
        let waits = |s: &&Slot| now.saturating_duration_since(s.entry.since) < PATIENCE;
        let nameless = self.slots.values().filter(|s| (all || s.is_known()) && !s.marks.is_named && !waits(s));
        let nameless: Vec<(Container, bool)> = nameless.map(|s| (s.entry.container.clone(), s.running)).collect();
        for (mut container, running) in nameless {
            container.runtime.container_name.clone_from(&container.runtime.container_id);
            self.put(container, running);
        }
    }

    /// Turns a stopped container's record into one without a process.
    fn rest(&mut self, container: Container) {
        let container = merge::process_of(&Container::default(), container);
        let key = container.key();
        if self.put(container, false).is_none() {
            return;
        }
        let Some(slot) = self.slots.get_mut(key.as_str()) else { return };
        self.changes.note(slot);
        slot.ended = None;
        let held = slot.held.take();
        self.released.extend(held);
    }

    /// Stores a record, under a new number if it differs from what is there. `None` when there is no room.
    fn put(&mut self, mut container: Container, running: bool) -> Option<&mut Slot> {
        self.pods.complete(&mut container);
        let key: Arc<str> = container.key().into();
        let known = self.slots.get(&key);
        let same = known.is_some_and(|s| s.entry.container == container);
        let full = known.is_none() && self.slots.len() >= MAX_CONTAINERS;
        let since = known.map_or_else(Instant::now, |s| s.entry.since);
        let is_told = known.is_some_and(Slot::is_known);
        if let Some(slot) = known.filter(|slot| !same || slot.running != running) {
            self.changes.note(slot);
        }
        if !same {
            if full {
                self.refused += 1;
                return None;
            }
            let number = self.number()?;
            let is_sandbox = container.sandbox;
            let entry = Arc::new(Entry::new(container, since));
            entry.told.store(is_told, Ordering::Relaxed);
            self.remember(number, &entry);
            let slot = self.slots.entry(key.clone());
            let slot = slot.or_insert_with(|| Slot::new(number, entry.clone(), key.clone(), self.hasher.hash_one(&*key)));
            if slot.number != number {
                self.users.remove(slot);
                self.retired.push((slot.number, slot.entry.clone(), Instant::now()));
                (slot.number, slot.entry) = (number, entry.clone());
                slot.marks = Marks::of(&entry.container, slot.marks.key);
            }
            self.users.add(slot);
            self.has_units |= slot.marks.is_unit;
            self.changes.note(slot);
            if is_sandbox {
                self.sandbox_changed(&entry.container);
            }
        }
        let slot = self.slots.get_mut(&key)?;
        self.dirty |= !same || slot.running != running;
        if running && !slot.running {
            slot.heard = Instant::now();
        }
        slot.running = running;
        Some(slot)
    }

    /// The next entry's number: none is ever used again.
    fn number(&mut self) -> Option<u32> {
        let next = self.next.checked_add(1);
        if next.is_none() {
            self.refused += 1;
        }
        Some(std::mem::replace(&mut self.next, next?))
    }
}

impl Slot {
    fn new(number: u32, entry: Arc<Entry>, key: Arc<str>, hash: u64) -> Self {
        let marks = Marks::of(&entry.container, hash);
        let (running, rank, heard) = (false, Rank::Seen, Instant::now());
        Slot { key, number, entry, marks, running, heard, rank, ended: None, finished_ns: 0, held: None, aliases: Vec::new() }
    }
}
