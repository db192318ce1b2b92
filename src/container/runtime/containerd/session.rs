//! One connection to containerd: from the first listing to the end of its event stream.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;

use super::NAME;
use super::api::Api;
use super::book::{Book, First, Ready};
use super::events::{self, Event, What};
use crate::container::inventory::Inventory;
use crate::container::record::Container;
use crate::container::runtime::grpc::{Events, GrpcError};

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

/// A connection.
pub(super) struct Session<'a> {
    book: Book<'a>,
    /// Namespaces that are wanted; all when empty.
    wanted: &'a [String],
    api: Api,
}

impl<'a> Session<'a> {
    pub async fn open(inventory: &'a Inventory, socket: &'a Path, wanted: &'a [String]) -> Result<Self, GrpcError> {
        Ok(Session { book: Book::new(inventory, socket), wanted, api: Api::connect(socket).await? })
    }

    /// Subscribes to the events, then lists: nothing falls between the two.
    pub async fn start(mut self) -> Result<Following<'a>, GrpcError> {
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
    pub async fn synchronize(&mut self) -> Result<(), GrpcError> {
        let namespaces = if self.wanted.is_empty() { self.api.namespaces().await? } else { self.wanted.to_vec() };
        let (mut listed, mut running, mut ready, mut kept) = (HashSet::new(), HashSet::new(), Vec::new(), 0);
        for namespace in &namespaces {
            for (item, runs) in self.list(namespace, &mut kept).await? {
                listed.insert(item.container.runtime.container_id.clone());
                if runs {
                    running.insert(item.container.runtime.container_id.clone());
                }
                ready.push(item);
            }
        }
        self.book.retain_ids(|id| listed.contains(id));
        self.book.inventory.update(|state| state.retain(NAME, &listed, &running, Instant::now()));
        self.book.write(ready);
        Ok(())
    }

    /// The containers of a namespace, and whether each runs.
    async fn list(&mut self, namespace: &str, kept: &mut usize) -> Result<Vec<(Ready, bool)>, GrpcError> {
        let digests = self.api.images(namespace).await?;
        let containers = self.api.containers(namespace, kept).await?;
        let tasks = self.api.tasks(namespace).await?.into_iter().filter(|task| !task.stopped);
        let tasks: HashMap<String, u32> = tasks.map(|task| (task.id, task.pid)).collect();
        let complete = |mut container: Container| {
            let digest = digests.get(&container.runtime.container_image_name).cloned().unwrap_or_default();
            container.runtime.container_image_digest = digest;
            let pid = tasks.get(&container.runtime.container_id).copied();
            let first = pid.map(|pid| First { pid, unix_ns: 0, bundle: String::new() });
            (self.book.prepare(namespace, container, first), pid.is_some())
        };
        Ok(containers.into_iter().map(complete).collect())
    }

    async fn handle(&mut self, event: Event) -> Result<(), GrpcError> {
        let Event { namespace, id, what, unix_ns } = event;
        if !self.wanted.is_empty() && !self.wanted.contains(&namespace) {
            return Ok(());
        }
        match what {
            What::Recorded => {
                // A record may change while the container runs: nerdctl keeps names there.
                let first = self.book.process_of(&namespace, &id);
                self.look_up(&namespace, &id, first).await?;
            }
            What::Running { pid, bundle } => self.look_up(&namespace, &id, Some(First { pid, unix_ns, bundle })).await?,
            What::Ended => self.book.end(&namespace, &id, unix_ns),
            What::Deleted if namespace == DOCKERS => {}
            What::Deleted => self.book.forget(&namespace, &id),
        }
        Ok(())
    }

    async fn look_up(&mut self, namespace: &str, id: &str, first: Option<First>) -> Result<(), GrpcError> {
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
        let ready = self.book.prepare(namespace, container, first);
        self.book.write(vec![ready]);
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
                _ = resync.tick() => {
                    // Listings may take long; whether anybody is there is to be known sooner.
                    session.api.ping().await?;
                    session.synchronize().await?;
                }
            }
        }
    }
}
