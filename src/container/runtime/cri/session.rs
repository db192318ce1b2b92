//! One connection to a runtime: from the first listing to the end of its answers.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::api::Api;
use super::attempts::Attempts;
use super::look::{self, Found};
use super::messages::{self, Event, Sandbox, Told, Version};
use super::{Kind, convert};
use crate::container::inventory::Inventory;
use crate::container::process;
use crate::container::record::Container;
use crate::container::runtime::bounds;
use crate::container::runtime::grpc::{Events, GrpcError};

/// How often everything is compared with the runtime's lists: what has no events is heard of by these alone.
const RELIST: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(10) };
/// How often containers whose process is gone are looked for.
const REAP: Duration = Duration::from_secs(1);
/// Questions under way at once.
const LOOKS: usize = 16;

type Look = std::pin::Pin<Box<dyn Future<Output = (String, Result<Found, GrpcError>)> + Send>>;

/// A connection on which a version was agreed.
pub(super) struct Session<'a> {
    inventory: &'a Inventory,
    kind: Kind,
    api: Api,
    version: Version,
    /// Records of the sandboxes, by id.
    pods: HashMap<String, Container>,
    attempts: Attempts,
}

impl<'a> Session<'a> {
    pub async fn open(inventory: &'a Inventory, socket: &Path, kind: Kind) -> Result<Self, GrpcError> {
        let (api, version) = Api::connect(socket).await?;
        Ok(Session { inventory, kind, api, version, pods: HashMap::new(), attempts: Attempts::default() })
    }

    /// Reads everything once: the lists, and of each running container its process.
    pub async fn settle(&mut self) -> Result<(), GrpcError> {
        self.synchronize().await?;
        let mut looks = FuturesUnordered::new();
        self.launch(&mut looks);
        while let Some((id, found)) = looks.next().await {
            self.apply(&id, found);
            self.launch_new(&mut looks);
        }
        Ok(())
    }

    /// Follows the runtime until it cannot be heard any more, and says why.
    pub async fn run(&mut self) -> GrpcError {
        match self.follow().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, GrpcError> {
        let mut events = self.events();
        let mut looks = FuturesUnordered::new();
        let mut changed = self.inventory.changed();
        let mut relist = tokio::time::interval_at(tokio::time::Instant::now() + RELIST, RELIST);
        let mut reap = tokio::time::interval(REAP);
        loop {
            self.launch(&mut looks);
            let due = self.attempts.next().map(tokio::time::Instant::from_std);
            tokio::select! {
                event = next(&mut events) => match event {
                    Some(event) => self.note(&messages::event(&event?).map_err(|_| GrpcError::Malformed { doing: "read events" })?),
                    // CRI-O has events only if it is told to. Whether it is still there is another question.
                    None => {
                        events = None;
                        self.api.version().await.map(drop)?;
                        tracing::debug!(runtime = self.kind.name, "no events of containers, so they are listed");
                    }
                },
                Some((id, found)) = looks.next() => self.apply(&id, found),
                // Perhaps the kernel has told of a container that the runtime did not.
                _ = changed.changed() => self.see(),
                () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() && looks.len() < LOOKS => {}
                _ = relist.tick() => {
                    self.api.version().await.map(drop)?;
                    self.synchronize().await?;
                }
                _ = reap.tick(), if events.is_none() => self.inventory.reap(Instant::now(), Some(self.kind.name)),
            }
        }
    }

    /// The stream of events, where asking for it does no harm: containerd 1.7 gives each event to one of its listeners only, which
    /// would take it away from the kubelet.
    fn events(&self) -> Option<Events> {
        let major = self.version.version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
        let shared = self.version.name != "containerd" || major.is_some_and(|major| major >= 2);
        shared.then(|| self.api.events())
    }

    /// Makes the inventory agree with the runtime's lists.
    async fn synchronize(&mut self) -> Result<(), GrpcError> {
        let asked = Instant::now();
        let sandboxes = self.api.sandboxes().await?;
        let containers = self.api.containers().await?;
        let (mut listed, mut running, mut records) = (HashSet::new(), HashSet::new(), Vec::new());
        self.pods.clear();
        for sandbox in &sandboxes {
            let Some(record) = convert::sandbox(self.kind, sandbox) else { continue };
            self.pods.insert(record.runtime.container_id.clone(), record.clone());
            records.push((record, sandbox.ready));
        }
        for told in &containers {
            let pod = self.pods.get(&told.sandbox);
            records.extend(convert::container(self.kind, told, pod, Default::default()).map(|record| (record, !told.over())));
        }
        for (record, alive) in &records {
            listed.insert(record.runtime.container_id.clone());
            if *alive {
                running.insert(record.runtime.container_id.clone());
            }
        }
        let now = Instant::now();
        self.inventory.update(|state| {
            state.retain(self.kind.name, &listed, &running, asked);
            // A record that is there already knows more than the listing does.
            records.into_iter().for_each(|(record, _)| {
                if !state.knows(&record.runtime.container_id) {
                    state.register(record);
                }
            });
        });
        let snapshot = self.inventory.snapshot();
        self.attempts.retain(|id| running.contains(id) || snapshot.by_id(id).is_some());
        running.iter().for_each(|id| self.attempts.listed(id, now));
        Ok(())
    }

    /// Looks among the running containers for those the runtime has not told of.
    fn see(&mut self) {
        let now = Instant::now();
        for container in self.inventory.snapshot().running() {
            let ours = ["", self.kind.name].contains(&container.runtime.runtime_name.as_str());
            if ours && bounds::is_id(&container.runtime.container_id) {
                self.attempts.seen(&container.runtime.container_id, now);
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let now = Instant::now();
        if !bounds::is_id(&event.id) {
            return;
        }
        match event.kind {
            Event::STOPPED => self.inventory.update(|state| state.end(&event.id, event.unix_ns, now)),
            Event::DELETED => {
                self.attempts.forget(&event.id);
                self.inventory.update(|state| state.forget(&event.id, now));
            }
            _ => self.attempts.changed(&event.id, now),
        }
    }

    /// Starts the questions that are due.
    fn launch(&mut self, looks: &mut FuturesUnordered<Look>) {
        for id in self.attempts.take(LOOKS.saturating_sub(looks.len()), Instant::now()) {
            let is_pod = self.pods.contains_key(&id);
            looks.push(Box::pin(look::look(self.api.clone(), id, is_pod)));
        }
    }

    /// As [`Session::launch`], for what was not asked about yet.
    fn launch_new(&mut self, looks: &mut FuturesUnordered<Look>) {
        if self.attempts.has_new() {
            self.launch(looks);
        }
    }

    fn apply(&mut self, id: &str, found: Result<Found, GrpcError>) {
        let now = Instant::now();
        let settled = match found {
            Ok(Found { container, sandbox }) => {
                let pod = sandbox.as_ref().and_then(|sandbox| self.apply_sandbox(id, sandbox));
                container.map_or(pod.unwrap_or(false), |(told, image)| self.apply_container(&told, image))
            }
            Err(error) => {
                tracing::debug!(runtime = self.kind.name, id, error = error.full(), "container could not be asked about");
                false
            }
        };
        if settled { self.attempts.settle(id) } else { self.attempts.again(id, now) }
    }

    /// Whether no more is to be learnt about the container.
    fn apply_container(&mut self, told: &Told, image: (String, String)) -> bool {
        let Some(record) = convert::container(self.kind, told, self.pods.get(&told.sandbox), image) else { return true };
        let written = self.write(record, if told.running() { told.pid } else { 0 }, told.running());
        told.over() || written
    }

    /// Whether no more is to be learnt about the sandbox; `None` when it is only the pod of the container asked about.
    fn apply_sandbox(&mut self, id: &str, sandbox: &Sandbox) -> Option<bool> {
        let record = convert::sandbox(self.kind, sandbox)?;
        self.pods.insert(record.runtime.container_id.clone(), record.clone());
        let asked = record.runtime.container_id == id;
        let written = self.write(record, if sandbox.ready { sandbox.pid } else { 0 }, sandbox.ready);
        asked.then_some(written || !sandbox.ready)
    }

    /// Writes a record, with its process if that can be looked at; whether it could.
    fn write(&self, mut record: Container, pid: u32, running: bool) -> bool {
        let held = if pid == 0 { None } else { process::inspect(&mut record, pid).ok() };
        // cri-dockerd does not tell the process: then the kernel has, or the runtime's word is all there is.
        let told = pid == 0 && running;
        let done = held.is_some() || told;
        let seen = self.inventory.snapshot().running().any(|c| c.runtime.container_id == record.runtime.container_id);
        self.inventory.update(|state| match held {
            Some(held) => state.start(record, held),
            None if told && !seen => state.start(record, None),
            None => state.register(record),
        });
        done
    }
}

/// The next event; never where there is no stream. `None` when the stream has ended, or was never there.
async fn next(events: &mut Option<Events>) -> Option<Result<bytes::Bytes, GrpcError>> {
    match events {
        None => std::future::pending().await,
        Some(events) => match events.next().await {
            Some(Err(GrpcError::Refused { .. })) | None => None,
            event => event,
        },
    }
}
