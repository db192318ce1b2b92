//! Keeping up with one kind of object: list all of them, then watch what changes, and begin anew where that breaks.
//!
//! A watch goes on from the last version heard of, bookmarks included; a version that has become too old (410) leads to a new listing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::answer::{Lines, refused};
use super::client::Connector;
use super::error::KubernetesError;
use super::objects::{Event, List};
use super::pace::Pace;
use super::status::Reporter;

/// Objects per page, and the most pages.
const PAGE: usize = 200;
const MAX_PAGES: usize = 1000;
/// How long a watch may go on until the API server ends it, so that a connection that died in silence is not waited on for good.
const WATCH_SECONDS: u64 = 290;
const WATCH_GRACE: Duration = Duration::from_secs(15);

/// Whoever keeps the objects.
pub(super) trait Store: Send {
    /// What it keeps.
    type Object: DeserializeOwned + Versioned + Send;

    /// A listing begins.
    fn begin(&mut self);
    /// An object is there, new or changed.
    fn put(&mut self, object: Self::Object);
    /// An object is gone.
    fn remove(&mut self, object: Self::Object);
    /// The listing is complete: what was not put since it began is gone.
    fn complete(&mut self);
}

/// Objects that have a version.
pub(super) trait Versioned {
    /// The version of the collection at which the object became what it is.
    fn version(&self) -> &str;
}

impl<Spec, Status> Versioned for super::objects::Object<Spec, Status> {
    fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// Where the next attempt begins.
enum From {
    /// With the list that the API server has in memory, which may be a moment old.
    Cache,
    /// With a list.
    Listing,
    /// With what changed since a version.
    Version(String),
}

/// One kind of object to follow.
pub(super) struct Watch {
    client: Arc<Connector>,
    pace: Pace,
    what: &'static str,
    path: &'static str,
    fields: Option<String>,
    essential: bool,
}

impl Watch {
    /// `fields` is a field selector.
    pub fn new(client: Arc<Connector>, pace: Pace, what: &'static str, path: &'static str, fields: Option<String>) -> Self {
        Watch { client, pace, what, path, fields, essential: false }
    }

    /// Makes it what the state as a whole depends on.
    pub fn essential(self) -> Self {
        Watch { essential: true, ..self }
    }

    /// Keeps `store` up to date for good.
    pub async fn run(self, mut store: impl Store, reporter: &Reporter) {
        let mut from = From::Cache;
        let mut pause = self.pace.first;
        loop {
            let begun = Instant::now();
            let error = match self.follow(&mut from, &mut store, reporter).await {
                // Ended in peace, as it does every few minutes. At once and always is no peace.
                Ok(()) if begun.elapsed() >= self.pace.first => continue,
                Ok(()) => None,
                Err(error) => Some(error),
            };
            if let Some(error) = &error {
                if error.is_expired() || error.is_nonsense() {
                    from = From::Listing;
                }
                if !error.is_expired() {
                    self.failed(error, reporter).await;
                }
            }
            if begun.elapsed() > self.pace.longest {
                pause = self.pace.first;
            }
            let forbidden = error.is_some_and(|error| error.is_forbidden());
            let wait = if forbidden { self.pace.refused } else { pause };
            // A cluster's nodes must not come back all at once.
            tokio::time::sleep(wait.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(self.pace.longest);
        }
    }

    /// One watch, after a listing if there is no version to go on from.
    async fn follow<S: Store>(&self, from: &mut From, store: &mut S, reporter: &Reporter) -> Result<(), KubernetesError> {
        let version = match from {
            From::Version(version) => version.clone(),
            _ => self.list(from, store).await?,
        };
        *from = From::Version(version.clone());
        let doing = format!("watch {}", self.what);
        let deadline = WATCH_SECONDS.to_string();
        let query = [("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", &deadline), ("resourceVersion", &version)];
        let mut lines = self.client.lines(&doing, &self.url(&query)).await?;
        self.succeeded(reporter);
        let end = tokio::time::Instant::now() + Duration::from_secs(WATCH_SECONDS) + WATCH_GRACE;
        loop {
            let next = self.next(&mut lines);
            let Ok(line) = tokio::time::timeout_at(end, next).await else { return Ok(()) };
            let Some(line) = line? else { return Ok(()) };
            let event = serde_json::from_slice(&line).map_err(|source| KubernetesError::Malformed { doing: doing.clone(), source })?;
            apply(event, from, store, &doing)?;
        }
    }

    /// The next line. Asks the API server for a sign of life when there is none for long.
    async fn next(&self, lines: &mut Lines) -> Result<Option<Vec<u8>>, KubernetesError> {
        loop {
            match tokio::time::timeout(self.pace.silence, lines.next()).await {
                Ok(line) => return line,
                Err(_) => self.client.answers().await?,
            }
        }
    }

    /// Reads all objects; gives the version that they are of.
    async fn list<S: Store>(&self, from: &mut From, store: &mut S) -> Result<String, KubernetesError> {
        let doing = format!("list {}", self.what);
        let limit = PAGE.to_string();
        // Of one node's few pods, what the API server has in memory will do the first time: without it, it would read those of all nodes.
        let cached = self.essential && matches!(std::mem::replace(from, From::Listing), From::Cache);
        let mut next = String::new();
        store.begin();
        for _ in 0..MAX_PAGES {
            let mut query = if cached { vec![("resourceVersion", "0")] } else { vec![("limit", limit.as_str())] };
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let page: List<S::Object> = self.client.get(&doing, &self.url(&query)).await?;
            if page.metadata.resource_version.is_empty() {
                // Whatever it is, that nothing is in it does not mean that there is nothing.
                let source = serde::de::Error::custom("it is not a list");
                return Err(KubernetesError::Malformed { doing, source });
            }
            page.items.into_iter().for_each(|object| store.put(object));
            if page.metadata.next.is_empty() {
                store.complete();
                return Ok(page.metadata.resource_version);
            }
            next = page.metadata.next;
        }
        Err(KubernetesError::TooMany { doing, limit: MAX_PAGES })
    }

    fn url(&self, query: &[(&str, &str)]) -> String {
        let fields = self.fields.as_deref().map(|fields| ("fieldSelector", fields));
        let pairs = fields.into_iter().chain(query.iter().copied());
        let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", percent_encoded(value))).collect();
        format!("{}?{}", self.path, pairs.join("&"))
    }

    fn succeeded(&self, reporter: &Reporter) {
        match self.essential {
            true => reporter.connected(),
            false => reporter.solved(self.what),
        }
    }

    async fn failed(&self, error: &KubernetesError, reporter: &Reporter) {
        if !self.essential {
            return reporter.problem(self.what, error);
        }
        reporter.waiting(error);
        // The credentials may be others by now.
        self.client.renew().await;
    }
}

fn apply<S: Store>(event: Event<S::Object>, from: &mut From, store: &mut S, doing: &str) -> Result<(), KubernetesError> {
    let mut reached = |object: &str| {
        if !object.is_empty() {
            *from = From::Version(object.to_owned());
        }
    };
    match event {
        Event::Added(object) | Event::Modified(object) => {
            reached(object.version());
            store.put(object);
        }
        Event::Deleted(object) => {
            reached(object.version());
            store.remove(object);
        }
        Event::Bookmark(bookmark) => reached(bookmark.version()),
        Event::Error(failure) => return Err(refused(doing, failure.code, &failure.message)),
    }
    Ok(())
}

/// Text as a value of a query or a part of a path.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
