//! What is asked of the engine, each question with its deadline.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerSummary, EventMessage};
use bollard::query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder};
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::inspected::{self, Inspected};
use super::transport::{self, EVENT_LIMIT, Limit, Plain};
use super::{DockerError, libpod};

/// How long an answer may take.
pub(super) const ANSWER_TIMEOUT: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(5) };

/// Events that change the inventory; the engine leaves out all others (attach, exec, health checks, ...).
const EVENTS: [&str; 6] = ["create", "start", "die", "destroy", "remove", "rename"];

/// An engine that has answered once.
#[derive(Clone)]
pub(super) struct Client {
    api: Docker,
    events: Docker,
    own: Plain,
    unread: Arc<AtomicUsize>,
}

impl Client {
    /// Connects and agrees on a version of the API.
    pub async fn connect(socket: &Path) -> Result<Self, DockerError> {
        let seconds = ANSWER_TIMEOUT.as_secs().max(1);
        let unread = Arc::new(AtomicUsize::new(0));
        let api = transport::client(socket, Limit::Answer, seconds)?;
        let api = ask("connect", api.negotiate_version()).await?;
        // The same version for the events: the engine refuses newer ones than its own.
        let events = transport::client(socket, Limit::Event(unread.clone()), seconds)?;
        let events = ask("connect for events", events.negotiate_version()).await?;
        Ok(Client { api, events, own: Plain::new(socket), unread })
    }

    /// All containers, running or not.
    pub async fn list(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        ask("list containers", self.api.list_containers(Some(options))).await
    }

    /// One container; `None` when the engine has none of that id any more.
    pub async fn inspect(&self, id: &str) -> Result<Option<Inspected>, DockerError> {
        self.get("inspect container", &inspected::path(id)).await
    }

    /// What Podman's own API says of one container.
    pub async fn libpod(&self, id: &str) -> Result<Option<libpod::Told>, DockerError> {
        self.get("inspect container by podman's own API", &libpod::path(id)).await
    }

    async fn get<T: DeserializeOwned>(&self, doing: &'static str, path: &str) -> Result<Option<T>, DockerError> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.own.get(path)).await {
            Ok(answer) => answer.map_err(|source| DockerError::Own { doing, source }),
            Err(_) => Err(DockerError::Timeout { doing, limit: ANSWER_TIMEOUT }),
        }
    }

    /// The digest an image has in its first repository; empty when it was never pulled or pushed.
    pub async fn digest(&self, image: &str) -> Result<String, DockerError> {
        let answer = match ask("inspect image", self.api.inspect_image(image)).await {
            Err(DockerError::Api { source, .. }) if is_not_found(&source) => return Ok(String::new()),
            answer => answer?,
        };
        let first = answer.repo_digests.unwrap_or_default().into_iter().next();
        Ok(first.and_then(|d| d.split_once('@').map(|(_, digest)| digest.to_owned())).unwrap_or_default())
    }

    /// Events since `since_s` (seconds since the Unix epoch), as far as the engine still has them, and from now on.
    pub fn events(&self, since_s: u64) -> impl Stream<Item = Result<EventMessage, DockerError>> + Send + Unpin + use<> {
        let filters = HashMap::from([("type", vec!["container"]), ("event", EVENTS.to_vec())]);
        let options = EventsOptionsBuilder::new().since(&since_s.to_string()).filters(&filters).build();
        let unread = self.unread.clone();
        let events = self.events.events(Some(options)).map(move |event| {
            let length = unread.swap(0, Ordering::Relaxed);
            event.map_err(|e| match length {
                // The client library does not hand the transport's own words on.
                length if length > EVENT_LIMIT => DockerError::EventTooLong(EVENT_LIMIT),
                _ => DockerError::Api { doing: "read events", source: Box::new(e) },
            })
        });
        Box::pin(events)
    }
}

async fn ask<T>(doing: &'static str, question: impl Future<Output = Result<T, bollard::errors::Error>>) -> Result<T, DockerError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(bollard::errors::Error::RequestTimeoutError)) | Err(_) => Err(DockerError::Timeout { doing, limit: ANSWER_TIMEOUT }),
        Ok(Err(source)) => Err(DockerError::Api { doing, source: Box::new(source) }),
    }
}

fn is_not_found(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
}
