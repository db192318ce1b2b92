//! Reading what the API server answers: never more than is expected, never longer than is sensible.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;

use super::error::KubernetesError;
use super::objects::Failure;

/// Most bytes of an answer: a page of the largest objects that etcd takes would be longer, but no real one is.
const MAX_ANSWER: usize = 64 << 20;
/// Most bytes of one line of a watch: one object, of which etcd takes 1.5 MiB, and then some.
const MAX_LINE: usize = 8 << 20;
/// Most bytes of a refusal that are read, and most characters of its message that are kept.
const MAX_REFUSAL: usize = 64 << 10;
const MAX_MESSAGE: usize = 300;
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// The whole body.
pub(super) async fn whole(doing: &str, mut body: Body, limit: Duration) -> Result<Vec<u8>, KubernetesError> {
    let mut bytes = Vec::new();
    let reading = async {
        while let Some(piece) = piece(doing, &mut body).await? {
            if bytes.len() + piece.len() > MAX_ANSWER {
                return Err(KubernetesError::TooLong { doing: doing.to_owned(), limit: MAX_ANSWER });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(())
    };
    let timeout = || KubernetesError::Timeout { doing: doing.to_owned(), limit };
    tokio::time::timeout(limit, reading).await.map_err(|_| timeout())??;
    Ok(bytes)
}

/// What an answer that is not a success says.
pub(super) async fn refusal(doing: &str, status: u16, mut body: Body) -> KubernetesError {
    let mut bytes = Vec::new();
    let reading = async {
        while let Ok(Some(piece)) = piece(doing, &mut body).await {
            bytes.extend_from_slice(piece.get(..MAX_REFUSAL - bytes.len()).unwrap_or(&piece));
            if bytes.len() >= MAX_REFUSAL {
                break;
            }
        }
    };
    // What has come by then has to do.
    let _ = tokio::time::timeout(REFUSAL_TIME, reading).await;
    let message = serde_json::from_slice::<Failure>(&bytes).map(|failure| failure.message).unwrap_or_default();
    let message = if message.is_empty() { String::from_utf8_lossy(&bytes).into_owned() } else { message };
    refused(doing, status, &message)
}

/// A refusal with its message cut to one short line.
pub(super) fn refused(doing: &str, status: u16, message: &str) -> KubernetesError {
    let words = message.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let message = if line.is_empty() { "no reason given".to_owned() } else { line.chars().take(MAX_MESSAGE).collect() };
    KubernetesError::Refused { doing: doing.to_owned(), status, message }
}

async fn piece(doing: &str, body: &mut Body) -> Result<Option<axum::body::Bytes>, KubernetesError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(source)) => return Err(KubernetesError::Request { doing: doing.to_owned(), source: Box::new(source) }),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// An answer line by line.
pub(super) struct Lines {
    doing: String,
    body: Body,
    split: Splitter,
}

impl Lines {
    pub fn new(doing: &str, body: Body) -> Self {
        Lines { doing: doing.to_owned(), body, split: Splitter::default() }
    }

    /// The next line; `None` at the end, where a line that is not whole is dropped. Loses nothing when it is not awaited to its end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, KubernetesError> {
        loop {
            if let Some(line) = self.split.line() {
                return Ok(Some(line));
            }
            let Some(data) = piece(&self.doing, &mut self.body).await? else { return Ok(None) };
            if !self.split.push(&data) {
                return Err(KubernetesError::TooLong { doing: self.doing.clone(), limit: MAX_LINE });
            }
        }
    }
}

/// Pieces in, lines out.
#[derive(Default)]
pub(super) struct Splitter {
    bytes: Vec<u8>,
    /// Where the next line begins, and up to where no line ends.
    start: usize,
    seen: usize,
}

impl Splitter {
    /// Takes a piece. False when there is a line of more than [`MAX_LINE`] bytes.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        if self.bytes.is_empty() {
            // One large line must not keep its memory for good.
            self.bytes.shrink_to(64 << 10);
        }
        self.bytes.extend_from_slice(piece);
        self.bytes.len() <= MAX_LINE || memchr::memchr(b'\n', &self.bytes).is_some()
    }

    /// The next line without its end; empty lines are left out.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        while let Some(length) = memchr::memchr(b'\n', self.bytes.get(self.seen..)?) {
            let line = self.bytes.get(self.start..self.seen + length).unwrap_or_default().to_vec();
            self.start = self.seen + length + 1;
            self.seen = self.start;
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(line);
            }
        }
        self.seen = self.bytes.len();
        None
    }
}
