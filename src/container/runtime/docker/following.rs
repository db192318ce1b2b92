//! Follows the engine's events. Inspecting a container may take until its deadline while the engine starts it; everything else goes on.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bollard::models::EventMessage;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};

use super::session::{Found, INSPECTIONS, Session};
use super::{DockerError, convert};

/// How often everything is compared with the engine's list, in case an event was missed or the engine hangs.
const RESYNC: Duration = Duration::from_secs(60);
/// How long the inspections of what ran before may keep the engine from counting as connected.
const SETTLING: Duration = Duration::from_secs(1);
/// Containers waiting to be inspected; more events wait in the engine.
const STARTS: usize = 4096;

pub(super) type Events = Box<dyn Stream<Item = Result<EventMessage, DockerError>> + Send + Unpin>;
type Inspection<'a> = Pin<Box<dyn Future<Output = Result<Option<Found>, DockerError>> + Send + 'a>>;

/// A session whose containers are all in the inventory, those that run by their names at least.
pub(super) struct Following<'a> {
    session: Session<'a>,
    events: Events,
    backlog: VecDeque<EventMessage>,
    starts: VecDeque<String>,
}

impl<'a> Following<'a> {
    /// With the events that came while the containers were listed, and those to be inspected.
    pub fn new(session: Session<'a>, events: Events, backlog: VecDeque<EventMessage>, starts: Vec<String>) -> Self {
        Following { session, events, backlog, starts: starts.into() }
    }

    /// Follows the events until they end, and says why they did. Calls `connected` once what ran before has been inspected.
    pub async fn run(self, connected: impl Fn()) -> DockerError {
        let Following { session, events, backlog, starts } = self;
        let events = futures::stream::iter(backlog.into_iter().map(Ok)).chain(events);
        match follow(&session, events, starts, connected).await {
            Ok(()) => DockerError::EventsEnded,
            Err(error) => error,
        }
    }
}

async fn follow<'s>(
    session: &'s Session<'_>,
    mut events: impl Stream<Item = Result<EventMessage, DockerError>> + Unpin,
    mut starts: VecDeque<String>,
    connected: impl Fn(),
) -> Result<(), DockerError> {
    let mut inspections: FuturesUnordered<Inspection<'s>> = FuturesUnordered::new();
    let mut resync = tokio::time::interval_at(tokio::time::Instant::now() + RESYNC, RESYNC);
    let settling = tokio::time::sleep(SETTLING);
    tokio::pin!(settling);
    let mut settled = false;
    loop {
        while inspections.len() < INSPECTIONS
            && let Some(id) = starts.pop_front()
        {
            inspections.push(Box::pin(session.inspect(id)));
        }
        if !settled && inspections.is_empty() {
            settled = true;
            connected();
        }
        tokio::select! {
            event = events.next(), if starts.len() < STARTS => match event {
                Some(event) => starts.extend(note(session, event?)),
                None => return Ok(()),
            },
            Some(found) = inspections.next() => inspected(session, found),
            () = &mut settling, if !settled => {
                settled = true;
                connected();
            }
            // Events wait meanwhile: an older list must not undo what a newer event said.
            _ = resync.tick() => starts.extend(session.list().await?.uninspected),
        }
    }
}

/// Lets readers see a container that was looked into; one that could not be as its events described it.
fn inspected(session: &Session<'_>, found: Result<Option<Found>, DockerError>) {
    match found {
        Ok(Some(found)) => session.apply(found),
        Ok(None) => session.inventory().publish(),
        Err(error) => {
            tracing::warn!(runtime = session.engine().name(), error = error.full(), "container could not be inspected");
            session.inventory().publish();
        }
    }
}

/// Notes what an event says. Gives the container that started: it has to be looked into.
fn note(session: &Session<'_>, event: EventMessage) -> Option<String> {
    let actor = event.actor?;
    let id = actor.id.clone()?;
    let now = Instant::now();
    let action = event.action.unwrap_or_default();
    let inventory = session.inventory();
    match action.as_str() {
        "create" => {
            let container = convert::from_event(session.engine(), &actor)?;
            // Published with the first process, or the next news.
            inventory.note(|state| {
                if !state.knows(&id) {
                    state.register(container)
                }
            });
        }
        "start" => {
            let mut container = convert::from_event(session.engine(), &actor)?;
            // It may be over before it is inspected. The time tells an old start from a newer end.
            container.runtime.container_started_at = event.time_nano.unwrap_or(0);
            // Published once it is inspected: the kernel's word is, and the keeper publishes what waits here for longer.
            inventory.note(|state| state.start(container, None));
            return Some(id);
        }
        "die" => inventory.update_soon(|state| state.end(&id, event.time_nano.unwrap_or(0), now)),
        // The one is Docker's word, the other Podman's.
        "destroy" | "remove" => inventory.update_soon(|state| state.forget(&id, now)),
        "rename" => {
            let name = actor.attributes.as_ref().and_then(|a| a.get("name")).map(String::as_str).unwrap_or_default();
            inventory.update_soon(|state| state.rename(&id, name.trim_start_matches('/')));
        }
        _ => {}
    }
    None
}
