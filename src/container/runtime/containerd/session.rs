//! One connection to containerd: from the first listing to the end of its event stream.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;

use super::api::Api;
use super::events::{self, Event, What};
use super::{NAME, bundle};
use crate::container::inventory::Inventory;
use crate::container::process::{self, Held};
use crate::container::record::{self, Container};
use crate::container::runtime::grpc::{Events, GrpcError};
use crate::kernel::procfs;

/// How often everything is compared with containerd's lists, in case an event was missed.
const RESYNC: Duration = Duration::from_secs(60);
/// When that is done for the first time: subscriptions are not confirmed.
const FIRST_RESYNC: Duration = Duration::from_secs(1);
/// How often containerd is asked whether it still lives; its events may be silent for ever.
const PING: Duration = if cfg!(test) { Duration::from_millis(100) } else { Duration::from_secs(10) };
/// Events kept while the containers are listed.
const BACKLOG: usize = 65_536;
/// Docker's namespace. Docker deletes the records of containers that stop and makes them anew at the next start.
const DOCKERS: &str = "moby";

/// A process of a container that is about to be written to the inventory.
struct First {
    pid: u32,
    /// When it was started, in nanoseconds since the Unix epoch; 0 when nobody told.
    unix_ns: i64,
    /// Folder of its bundle; empty when nobody told.
    bundle: String,
}

/// A container that is ready for the inventory.
struct Ready {
    container: Container,
    /// Whether it runs, and what keeps its mount namespace.
    held: Option<Option<Held>>,
}

/// A connection.
pub(super) struct Session<'a> {
    inventory: &'a Inventory,
    socket: &'a Path,
    /// Namespaces that are wanted; all when empty.
    wanted: &'a [String],
    api: Api,
}

impl<'a> Session<'a> {
    pub async fn open(inventory: &'a Inventory, socket: &'a Path, wanted: &'a [String]) -> Result<Self, GrpcError> {
        Ok(Session { inventory, socket, wanted, api: Api::connect(socket).await? })
    }

    /// Subscribes to the events, then lists: nothing falls between the two.
    pub async fn start(self) -> Result<Following<'a>, GrpcError> {
        let mut events = self.api.events();
        let mut backlog = VecDeque::new();
        {
            let listing = self.synchronize();
            tokio::pin!(listing);
            loop {
                tokio::select! {
                    // The first poll sends the subscription, so it has to come before the listing's.
                    biased;
                    event = events.next() => backlog.push_back(event.ok_or(GrpcError::EventsEnded)??),
                    done = &mut listing => break done?,
                }
                if backlog.len() > BACKLOG {
                    return Err(GrpcError::TooMuch { doing: "list containers", limit: BACKLOG, what: "events meanwhile" });
                }
            }
        }
        Ok(Following { session: self, events, backlog })
    }

    /// Makes the inventory agree with containerd's lists.
    pub async fn synchronize(&self) -> Result<(), GrpcError> {
        let asked = Instant::now();
        let namespaces = if self.wanted.is_empty() { self.api.namespaces().await? } else { self.wanted.to_vec() };
        let (mut listed, mut running, mut ready) = (HashSet::new(), HashSet::new(), Vec::new());
        for namespace in &namespaces {
            let digests = self.api.images(namespace).await?;
            let containers = self.api.containers(namespace).await?;
            let tasks = self.api.tasks(namespace).await?.into_iter().filter(|task| !task.stopped);
            let tasks: HashMap<String, u32> = tasks.map(|task| (task.id, task.pid)).collect();
            for mut container in containers {
                let task = tasks.get(&container.runtime.container_id).copied();
                let digest = digests.get(&container.runtime.container_image_name).cloned().unwrap_or_default();
                container.runtime.container_image_digest = digest;
                let item = self.prepare(namespace, container, task.map(|pid| First { pid, unix_ns: 0, bundle: String::new() }));
                listed.insert(item.container.key());
                if task.is_some() {
                    running.insert(item.container.key());
                }
                ready.push(item);
            }
        }
        self.inventory.update(|state| state.retain(NAME, &listed, &running, asked));
        self.write(ready);
        Ok(())
    }

    /// Completes a record by what is known of its first process.
    fn prepare(&self, namespace: &str, mut container: Container, first: Option<First>) -> Ready {
        let id = container.runtime.container_id.clone();
        container.namespace = namespace.to_owned();
        if namespace == DOCKERS && container.k8s.container_name.is_empty() {
            // Docker knows its name. Where Docker says nothing, the inventory takes the id after a while.
            container.runtime.container_name.clear();
        }
        let told = first.as_ref().map(|first| first.bundle.clone()).filter(|bundle| !bundle.is_empty());
        container.bundle = told.or_else(|| bundle::find(self.socket, namespace, &id)).unwrap_or_default();
        let Some(First { pid, unix_ns, .. }) = first.filter(|first| first.pid != 0) else { return Ready { container, held: None } };
        let Ok(held) = process::inspect(&mut container, pid) else { return Ready { container, held: None } };
        container.runtime.container_started_at = match unix_ns {
            0 => self.started_at(&container).or_else(|| procfs::started_at(pid).ok()).unwrap_or(0),
            told => told,
        };
        Ready { container, held: Some(held) }
    }

    /// When the inventory thinks that this very process was started.
    fn started_at(&self, container: &Container) -> Option<i64> {
        let known = self.known(&container.key())?;
        let same = known.runtime.container_pid == container.runtime.container_pid && known.mntns == container.mntns;
        Some(known.runtime.container_started_at).filter(|ns| same && *ns != 0)
    }

    fn known(&self, key: &str) -> Option<Container> {
        let snapshot = self.inventory.snapshot();
        snapshot.by_id(key).and_then(|entry| snapshot.container(entry)).cloned()
    }

    /// Writes containers to the inventory, all in one change.
    fn write(&self, ready: Vec<Ready>) {
        self.inventory.update(|state| {
            for Ready { container, held } in ready {
                match held {
                    Some(held) => state.start(container, held),
                    // Not started yet, or over already: name and image are worth having all the same.
                    None => state.register(container),
                }
            }
        });
    }

    async fn handle(&self, event: Event) -> Result<(), GrpcError> {
        let Event { namespace, id, what, unix_ns } = event;
        if !self.wanted.is_empty() && !self.wanted.contains(&namespace) {
            return Ok(());
        }
        let now = Instant::now();
        match what {
            What::Recorded => {
                // A record may change while the container runs: nerdctl keeps names there.
                let key = record::key(&namespace, &id);
                let known = self.known(&key).filter(|known| known.runtime.container_pid != 0);
                let first = known.map(|known| First { pid: known.runtime.container_pid, unix_ns: 0, bundle: known.bundle });
                self.look_up(&namespace, &id, first).await?;
            }
            What::Running { pid, bundle } => self.look_up(&namespace, &id, Some(First { pid, unix_ns, bundle })).await?,
            What::Ended => {
                let key = record::key(&namespace, &id);
                self.inventory.update(|state| state.end(&key, unix_ns, now));
            }
            What::Deleted if namespace == DOCKERS => {}
            What::Deleted => {
                let key = record::key(&namespace, &id);
                self.inventory.update(|state| state.forget(&key, now));
            }
        }
        Ok(())
    }

    async fn look_up(&self, namespace: &str, id: &str, first: Option<First>) -> Result<(), GrpcError> {
        let mut container = match self.api.container(namespace, id).await {
            Ok(Some(container)) => container,
            Ok(None) => return Ok(()),
            Err(error @ GrpcError::Refused { .. }) => {
                tracing::warn!(namespace, id, error = error.full(), "container of containerd cannot be looked up");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !container.runtime.container_image_name.is_empty() {
            let digest = self.api.digest(namespace, &container.runtime.container_image_name).await;
            container.runtime.container_image_digest = digest;
        }
        let ready = self.prepare(namespace, container, first);
        self.write(vec![ready]);
        Ok(())
    }
}

/// A session whose containers are all in the inventory.
pub(super) struct Following<'a> {
    session: Session<'a>,
    events: Events,
    backlog: VecDeque<Bytes>,
}

impl Following<'_> {
    /// Follows the events until they end, and says why they did.
    pub async fn run(&mut self) -> GrpcError {
        match self.follow().await {
            Ok(()) => GrpcError::EventsEnded,
            Err(error) => error,
        }
    }

    /// Events are handled one after the other, so that an end never overtakes its start.
    async fn follow(&mut self) -> Result<(), GrpcError> {
        let Following { session, events, backlog } = self;
        let mut events = futures::stream::iter(std::mem::take(backlog).into_iter().map(Ok)).chain(events);
        let mut resync = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_RESYNC, RESYNC);
        let mut ping = tokio::time::interval(PING);
        loop {
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { return Ok(()) };
                    let event = events::read(&event?).map_err(|_| GrpcError::Malformed { doing: "read events" })?;
                    if let Some(event) = event {
                        session.handle(event).await?;
                    }
                }
                _ = ping.tick() => session.api.ping().await?,
                _ = resync.tick() => session.synchronize().await?,
            }
        }
    }
}
