//! Documents and blobs out of a repository: bounded, with further attempts, blobs from where the last attempt ended.

use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE};
use reqwest::{Method, Response, StatusCode};

use super::Progress;
use super::attempts::Attempts;
use super::body::{self, Pace};
use super::error::RegistryError;
use super::fault::Fault;
use super::remote::{Ask, Remote};
use crate::image::store::{Incoming, Staging};

/// Types of what a reference may resolve to: those of images, and those that are refused with a word about what they are.
const DOCUMENTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// Bytes a second that an attempt at a blob must bring over its whole length; a stall is granted on top.
const SLOWEST: u64 = 16 << 10;

/// A document.
#[derive(Debug)]
pub(super) struct Document {
    pub bytes: Vec<u8>,
    /// What the registry calls it.
    pub media_type: String,
}

/// A blob that is to be fetched.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub digest: String,
    pub size: u64,
    /// For people.
    pub what: String,
}

/// Who fetches what for which image.
#[derive(Clone, Copy)]
pub(super) struct Fetch<'a> {
    pub remote: &'a Remote,
    pub reference: &'a str,
    /// What all that is for, in messages: `fetch`, `push`.
    pub verb: &'a str,
    pub progress: &'a dyn Progress,
}

impl Fetch<'_> {
    /// The document at a path of the repository, `manifests/latest`.
    ///
    /// # Errors
    /// When it cannot be had, or has more than `limit` bytes.
    pub async fn document(&self, path: &str, what: &str, limit: u64) -> Result<Document, RegistryError> {
        let mut attempts = self.attempts(what);
        let ask = Ask { accept: DOCUMENTS, ..Ask::new(Method::GET, self.remote.url(path)) };
        let stall = self.remote.link.patience.stall;
        loop {
            // Documents are small: what has not come by then does not want to.
            let fault = match tokio::time::timeout(stall.saturating_mul(2), document(self.remote, &ask, limit)).await {
                Ok(Ok(document)) => return Ok(document),
                Ok(Err(fault)) => fault,
                Err(_) => Fault::passing(format!("it is not there after {} s", stall.saturating_mul(2).as_secs_f32())),
            };
            attempts.failed(fault).await?;
        }
    }

    /// The digest that the registry has for a tag; none when it does not tell.
    ///
    /// # Errors
    /// When it cannot be asked, or has no such tag.
    pub async fn digest(&self, tag: &str, what: &str) -> Result<Option<String>, RegistryError> {
        let mut attempts = self.attempts(what);
        let ask = Ask { accept: DOCUMENTS, ..Ask::new(Method::HEAD, self.remote.url(&format!("manifests/{tag}"))) };
        loop {
            let fault = match self.remote.send(&ask).await {
                Ok(response) if response.status().is_success() => {
                    let told = response.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok());
                    return Ok(told.filter(|digest| super::contents::is_digest(digest)).map(str::to_owned));
                }
                Ok(response) => Fault::of_answer(response, self.remote.link.patience.stall).await,
                Err(fault) => fault,
            };
            attempts.failed(fault).await?;
        }
    }

    /// Whether something is there, by a HEAD request for a path of the repository.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub async fn has(&self, path: &str, what: &str) -> Result<bool, RegistryError> {
        let mut attempts = self.attempts(what);
        let ask = Ask { accept: DOCUMENTS, ..Ask::new(Method::HEAD, self.remote.url(path)) };
        loop {
            let fault = match self.remote.send(&ask).await {
                Ok(response) if response.status().is_success() => return Ok(true),
                Ok(response) => match Fault::of_answer(response, self.remote.link.patience.stall).await {
                    Fault::Absent => return Ok(false),
                    fault => fault,
                },
                Err(fault) => fault,
            };
            attempts.failed(fault).await?;
        }
    }

    /// Brings a blob into the staging place, if it is not there already.
    ///
    /// # Errors
    /// When it cannot be had, or is not what it should be.
    pub async fn blob(&self, wanted: &Wanted, stage: &Staging) -> Result<(), RegistryError> {
        self.progress.begin(&wanted.digest, &wanted.what, wanted.size);
        let skipped = stage.has(&wanted.digest);
        if !skipped {
            self.transfer(wanted, stage).await?;
        }
        self.progress.end(&wanted.digest, skipped);
        Ok(())
    }

    async fn transfer(&self, wanted: &Wanted, stage: &Staging) -> Result<(), RegistryError> {
        let mut attempts = self.attempts(&wanted.what);
        let begin = || stage.begin(&wanted.digest, wanted.size).map_err(|error| super::kept(self.reference, error));
        let (mut incoming, mut resumed) = (begin()?, false);
        loop {
            resumed |= incoming.received() > 0;
            let fault = match self.in_time(wanted, &mut incoming).await {
                Ok(()) => match incoming.finish() {
                    Ok(()) => return Ok(()),
                    // The halves may be of two different blobs.
                    Err(error) if resumed => {
                        (incoming, resumed) = (begin()?, false);
                        Fault::passing(error.to_string())
                    }
                    Err(error) => return Err(attempts.end(error.into())),
                },
                Err(fault) => fault,
            };
            attempts.failed(fault).await?;
        }
    }

    /// One attempt, which has a time that its size sets.
    async fn in_time(&self, wanted: &Wanted, incoming: &mut Incoming) -> Result<(), Fault> {
        let time = self.remote.link.patience.stall + Duration::from_millis(wanted.size.saturating_mul(1000) / SLOWEST);
        match tokio::time::timeout(time, self.once(wanted, incoming)).await {
            Ok(done) => done,
            Err(_) => {
                let (there, size, seconds) = (incoming.received(), wanted.size, time.as_secs_f32());
                Err(Fault::passing(format!("it is too slow: {there} of {size} bytes are there after {seconds:.1} s")))
            }
        }
    }

    async fn once(&self, wanted: &Wanted, incoming: &mut Incoming) -> Result<(), Fault> {
        let from = incoming.received();
        if from == wanted.size {
            return Ok(());
        }
        let ask = Ask { from, ..Ask::new(Method::GET, self.remote.url(&format!("blobs/{}", wanted.digest))) };
        let mut response = self.remote.send(&ask).await?;
        let stall = self.remote.link.patience.stall;
        let length = response.content_length();
        match response.status() {
            StatusCode::PARTIAL_CONTENT if from > 0 && begins_at(&response) == Some(from) => {}
            StatusCode::OK if length.is_some_and(|length| length != wanted.size) => {
                let length = length.unwrap_or_default();
                return Err(Fault::Wrong(format!("{length} bytes are announced instead of {}", wanted.size)));
            }
            StatusCode::OK => incoming.restart()?,
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
                incoming.restart()?;
                return Err(Fault::passing("it does not give the rest of what was begun"));
            }
            _ => return Err(Fault::of_answer(response, stall).await),
        }
        let mut pace = Pace::new(stall);
        while let Some(part) = pace.next(&mut response).await? {
            incoming.write(&part)?;
            self.progress.at(&wanted.digest, incoming.received());
        }
        match incoming.received() {
            received if received < wanted.size => {
                Err(Fault::passing(format!("the connection ended after {received} of {} bytes", wanted.size)))
            }
            _ => Ok(()),
        }
    }

    fn attempts<'a>(&'a self, what: &'a str) -> Attempts<'a> {
        Attempts::new(self.remote.link.patience, self.remote.task(self.reference, self.verb, what), self.progress)
    }
}

async fn document(remote: &Remote, ask: &Ask, limit: u64) -> Result<Document, Fault> {
    let response = remote.send(ask).await?;
    if response.status() != StatusCode::OK {
        return Err(Fault::of_answer(response, remote.link.patience.stall).await);
    }
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
    Ok(Document { bytes: body::whole(response, limit, remote.link.patience.stall).await?, media_type })
}

/// From which byte on a partial answer is.
fn begins_at(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
