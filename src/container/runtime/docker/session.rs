//! One connection to the engine: its list of containers, and what it says of each.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::Instant;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use futures::StreamExt;

use super::client::Client;
use super::following::{Events, Following};
use super::{DockerError, Engine, convert, libpod, shim};
use crate::container::inventory::Inventory;
use crate::container::process;
use crate::container::record::Container;
use crate::kernel::{clock, procfs};

/// Inspections under way at once; more wait.
pub(super) const INSPECTIONS: usize = 16;
/// Events kept while the containers are listed.
const BACKLOG: usize = 65_536;
/// Image digests remembered.
const DIGESTS: usize = 4096;

/// An inspected container.
pub(super) struct Found {
    container: Container,
    pid: u32,
}

/// What a list of the engine's containers leaves to be done.
pub(super) struct Listed {
    /// Ids of containers that run and of whose process nothing is known yet.
    pub uninspected: Vec<String>,
    /// Ids of those that do not run.
    pub resting: Vec<String>,
}

/// A connection on which a version was agreed.
pub(super) struct Session<'a> {
    engine: Engine,
    inventory: &'a Inventory,
    client: Client,
    digests: std::sync::Mutex<HashMap<String, String>>,
}

impl<'a> Session<'a> {
    pub async fn open(engine: Engine, inventory: &'a Inventory, socket: &Path) -> Result<Self, DockerError> {
        Ok(Session { engine, inventory, client: Client::connect(socket).await?, digests: Default::default() })
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    pub fn inventory(&self) -> &'a Inventory {
        self.inventory
    }

    /// Subscribes to the events, then lists: nothing falls between the two.
    pub async fn start(self) -> Result<Following<'a>, DockerError> {
        // Once more from a second ago, because a subscription is not confirmed; hearing an event twice does no harm.
        let mut events: Events = Box::new(self.client.events((clock::unix_now() / 1_000_000_000).saturating_sub(1)));
        let mut backlog = VecDeque::new();
        let listed = {
            let listing = self.list();
            tokio::pin!(listing);
            loop {
                tokio::select! {
                    listed = &mut listing => break listed?,
                    event = events.next() => backlog.push_back(event.ok_or(DockerError::EventsEnded)??),
                }
                if backlog.len() > BACKLOG {
                    return Err(DockerError::TooManyEvents(BACKLOG));
                }
            }
        };
        Ok(Following::new(self, events, backlog, listed.uninspected))
    }

    /// Makes the inventory agree with the engine's list.
    pub async fn list(&self) -> Result<Listed, DockerError> {
        let asked = Instant::now();
        let listed = self.client.list().await?;
        let is_running = |s: &ContainerSummary| {
            !matches!(
                s.state,
                Some(ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD)
            )
        };
        let (mut all, mut running) = (HashMap::new(), HashSet::new());
        for summary in listed {
            let runs = is_running(&summary);
            let Some(container) = convert::from_summary(self.engine, summary) else { continue };
            let id = container.runtime.container_id.clone();
            if runs {
                running.insert(id.clone());
            }
            all.insert(id, container);
        }
        let ids = all.keys().cloned().collect();
        self.inventory.update(|state| {
            state.retain(self.engine.name(), &ids, &running, asked);
            for (id, container) in &all {
                // A record that is there already knows more than the listing does.
                match (state.knows(id), running.contains(id)) {
                    (true, _) => state.rename(id, &container.runtime.container_name),
                    // Its process is told by the inspection only.
                    (false, true) => state.start(container.clone(), None),
                    (false, false) => state.register(container.clone()),
                }
            }
        });
        let resting = all.into_keys().filter(|id| !running.contains(id)).collect();
        Ok(Listed { uninspected: running.into_iter().filter(|id| !self.is_complete(id)).collect(), resting })
    }

    /// Whether a container was inspected before, and its first process is still the one that it had then.
    fn is_complete(&self, id: &str) -> bool {
        let snapshot = self.inventory.snapshot();
        let Some(Container { runtime, mntns, .. }) = snapshot.by_id(id).and_then(|entry| snapshot.container(entry)) else { return false };
        let started = runtime.container_started_at != 0 && runtime.container_pid != 0 && *mntns != 0;
        let inspected = started && !runtime.container_image_id.is_empty();
        inspected && procfs::namespace_inode(runtime.container_pid, "mnt").ok() == Some(*mntns)
    }

    /// Lists once and inspects all that runs. A container that cannot be inspected runs all the same.
    pub async fn read_all(&self) -> Result<(), DockerError> {
        let Listed { uninspected, resting } = self.list().await?;
        // A created container may have a process already, which was seen before the engine was asked.
        self.inventory.update(|state| resting.iter().for_each(|id| state.stop(id, Instant::now())));
        let mut inspections = futures::stream::iter(uninspected).map(|id| self.inspect(id)).buffer_unordered(INSPECTIONS);
        let mut result = Ok(());
        while let Some(found) = inspections.next().await {
            match found {
                Ok(Some(found)) => self.apply(found),
                Ok(None) => {}
                Err(error) => result = Err(error),
            }
        }
        self.inventory.publish();
        result
    }

    pub async fn inspect(&self, id: String) -> Result<Option<Found>, DockerError> {
        let inspected = self.client.inspect(&id).await?;
        let Some((mut container, pid)) = inspected.and_then(|answer| convert::from_inspect(self.engine, answer)) else { return Ok(None) };
        match self.engine {
            Engine::Docker => container.runtime.container_image_digest = self.digest(&container.runtime.container_image_id).await,
            // Not worth losing the container for.
            Engine::Podman => match self.client.libpod(&id).await {
                Ok(told) => told.into_iter().for_each(|told| libpod::complete(&mut container, told)),
                Err(error) => tracing::debug!(container = id, error = error.full(), "podman's own API does not tell of a container"),
            },
        }
        Ok(Some(Found { container, pid }))
    }

    async fn digest(&self, image: &str) -> String {
        let digests = || self.digests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if image.is_empty() {
            return String::new();
        }
        if let Some(known) = digests().get(image) {
            return known.clone();
        }
        // Not worth losing the container for.
        let digest = self.client.digest(image).await.unwrap_or_default();
        let mut digests = digests();
        if digests.len() >= DIGESTS {
            digests.clear();
        }
        digests.insert(image.to_owned(), digest.clone());
        digest
    }

    pub fn apply(&self, found: Found) {
        let Found { mut container, pid } = found;
        if pid == 0 {
            // Over already, or paused on its way: name and image are worth having all the same.
            return self.inventory.update_soon(|state| state.register(container));
        }
        if let Some(mut known) = self.inventory.note(|state| state.with_process(&container, pid)) {
            process::add_v1(&mut known, pid);
            return self.inventory.update_soon(|state| state.start(known, None));
        }
        let held = process::inspect(&mut container, pid);
        if container.bundle.is_empty() {
            container.bundle = shim::bundle(pid, &container.runtime.container_id).unwrap_or_default();
        }
        self.inventory.update_soon(|state| match held {
            Ok(held) => state.start(container, held),
            Err(_) => state.register(container),
        });
    }
}
