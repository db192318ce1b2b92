//! One connection to the engine: from the first listing to the end of its event stream.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, EventMessage};
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};

use super::client::Client;
use super::{DockerError, NAME, convert};
use crate::container::inventory::Inventory;
use crate::container::process;
use crate::container::record::Container;
use crate::kernel::clock;

/// How often everything is compared with the engine's list, in case an event was missed or the engine hangs.
const RESYNC: Duration = Duration::from_secs(60);
/// Inspections under way at once; more events wait in the engine.
const INSPECTIONS: usize = 16;
/// Events kept while the containers are listed.
const BACKLOG: usize = 65_536;
/// Image digests remembered.
const DIGESTS: usize = 4096;

type Events = Box<dyn Stream<Item = Result<EventMessage, DockerError>> + Send + Unpin>;
type Inspection<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Option<Found>, DockerError>> + Send + 'a>>;

/// An inspected container.
struct Found {
    container: Container,
    pid: u32,
}

/// A connection on which a version was agreed.
pub(super) struct Session<'a> {
    inventory: &'a Inventory,
    client: Client,
    digests: std::sync::Mutex<HashMap<String, String>>,
}

impl<'a> Session<'a> {
    pub async fn open(inventory: &'a Inventory, socket: &Path) -> Result<Self, DockerError> {
        Ok(Session { inventory, client: Client::connect(socket).await?, digests: Default::default() })
    }

    /// Subscribes to the events, then lists: nothing falls between the two.
    pub async fn start(self) -> Result<Following<'a>, DockerError> {
        // Once more from a second ago, because a subscription is not confirmed; hearing an event twice does no harm.
        let mut events: Events = Box::new(self.client.events((clock::unix_now() / 1_000_000_000).saturating_sub(1)));
        let mut backlog = VecDeque::new();
        {
            let listing = self.synchronize();
            tokio::pin!(listing);
            loop {
                tokio::select! {
                    done = &mut listing => break done?,
                    event = events.next() => backlog.push_back(event.ok_or(DockerError::EventsEnded)??),
                }
                if backlog.len() > BACKLOG {
                    return Err(DockerError::TooManyEvents(BACKLOG));
                }
            }
        }
        Ok(Following { session: self, events, backlog })
    }

    /// Makes the inventory agree with the engine's list.
    pub async fn synchronize(&self) -> Result<(), DockerError> {
        let listed = self.client.list().await?;
        let running = |s: &ContainerSummary| {
            !matches!(
                s.state,
                Some(ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD)
            )
        };
        let mut all = HashSet::new();
        let mut alive = HashSet::new();
        let mut records = Vec::new();
        for summary in listed {
            let is_running = running(&summary);
            let Some(container) = convert::from_summary(summary) else { continue };
            let id = container.runtime.container_id.clone();
            if is_running {
                alive.insert(id.clone());
            }
            all.insert(id);
            records.push(container);
        }
        let now = Instant::now();
        self.inventory.update(|state| {
            state.retain(NAME, &all, &alive, now);
            // A record that is there already knows more than the listing does.
            records.into_iter().for_each(|container| {
                if !state.knows(&container.runtime.container_id) {
                    state.register(container)
                }
            });
        });
        let mut inspections = futures::stream::iter(alive).map(|id| self.inspect(id)).buffer_unordered(INSPECTIONS);
        while let Some(found) = inspections.next().await {
            self.apply(found?);
        }
        Ok(())
    }

    async fn inspect(&self, id: String) -> Result<Option<Found>, DockerError> {
        let Some((mut container, pid)) = self.client.inspect(&id).await?.and_then(convert::from_inspect) else { return Ok(None) };
        container.runtime.container_image_digest = self.digest(&container.runtime.container_image_id).await;
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

    fn apply(&self, found: Option<Found>) {
        let Some(Found { mut container, pid }) = found else { return };
        let held = if pid == 0 { None } else { process::inspect(&mut container, pid).ok() };
        self.inventory.update(|state| match held {
            Some(held) => state.start(container, held),
            // Over already, or paused on its way: name and image are worth having all the same.
            None => state.register(container),
        });
    }
}

/// A session whose containers are all in the inventory.
pub(super) struct Following<'a> {
    session: Session<'a>,
    events: Events,
    backlog: VecDeque<EventMessage>,
}

impl Following<'_> {
    /// Follows the events until they end, and says why they did.
    pub async fn run(&mut self) -> DockerError {
        let Following { session, events, backlog } = self;
        match follow(session, events, std::mem::take(backlog)).await {
            Ok(()) => DockerError::EventsEnded,
            Err(error) => error,
        }
    }
}

async fn follow<'s>(session: &'s Session<'_>, events: &mut Events, backlog: VecDeque<EventMessage>) -> Result<(), DockerError> {
    let mut inspections: FuturesUnordered<Inspection<'s>> = FuturesUnordered::new();
    let mut events = futures::stream::iter(backlog.into_iter().map(Ok)).chain(events);
    let mut resync = tokio::time::interval_at(tokio::time::Instant::now() + RESYNC, RESYNC);
    loop {
        tokio::select! {
            event = events.next(), if inspections.len() < INSPECTIONS => match event {
                Some(event) => inspections.extend(handle(session, event?)),
                None => return Ok(()),
            },
            Some(found) = inspections.next() => match found {
                Ok(found) => session.apply(found),
                Err(error) => tracing::warn!(error = error.full(), "docker container could not be inspected"),
            },
            _ = resync.tick() => session.synchronize().await?,
        }
    }
}

/// Notes what an event says; a start has to be looked into.
fn handle<'s>(session: &'s Session<'_>, event: EventMessage) -> Option<Inspection<'s>> {
    let actor = event.actor?;
    let id = actor.id.clone()?;
    let now = Instant::now();
    let action = event.action.unwrap_or_default();
    let inventory = session.inventory;
    match action.as_str() {
        "create" => {
            let container = convert::from_event(&actor)?;
            inventory.update(|state| {
                if !state.knows(&id) {
                    state.register(container)
                }
            });
        }
        "start" => return Some(Box::pin(session.inspect(id))),
        "die" => inventory.update(|state| state.end(&id, event.time_nano.unwrap_or(0), now)),
        "destroy" => inventory.update(|state| state.forget(&id, now)),
        "rename" => {
            let name = actor.attributes.as_ref().and_then(|a| a.get("name")).map(String::as_str).unwrap_or_default();
            inventory.update(|state| state.rename(&id, name.trim_start_matches('/')));
        }
        _ => {}
    }
    None
}
