//! What containerd's events tell of containers and their tasks.

use crate::container::runtime::bounds;
use crate::container::runtime::grpc::wire::{Malformed, Value};

/// The topics that matter; containerd leaves out all others (exec, image pulls, snapshots, ...).
const TOPICS: [&str; 7] =
    ["/containers/create", "/containers/update", "/containers/delete", "/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"];

/// One event. Tasks of an exec are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub namespace: String,
    /// Id of the container.
    pub id: String,
    pub what: What,
    /// When, in nanoseconds since the Unix epoch.
    pub unix_ns: i64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum What {
    /// A record was made or changed.
    #[default]
    Recorded,
    /// The record was deleted.
    Deleted,
    /// The first process exists, prepared but perhaps not started yet.
    Running {
        pid: u32,
        /// Folder of the bundle; empty when not told.
        bundle: String,
    },
    /// The first process ended.
    Ended,
}

/// Expressions for the topics that matter.
pub(super) fn filters() -> Vec<String> {
    TOPICS.iter().map(|topic| format!("topic==\"{topic}\"")).collect()
}

/// Reads an `Envelope`. `None` for what does not matter.
pub(super) fn read(envelope: &[u8]) -> Result<Option<Event>, Malformed> {
    let mut event = Event::default();
    let (mut topic, mut body): (&[u8], &[u8]) = (&[], &[]);
    for field in Value::Bytes(envelope).fields()? {
        match field? {
            (1, stamp) => event.unix_ns = stamp.timestamp()?,
            (2, namespace) => event.namespace = namespace.text()?,
            (3, text) => topic = text.bytes()?,
            (4, any) => {
                for field in any.fields()? {
                    if let (2, value) = field? {
                        body = value.bytes()?;
                    }
                }
            }
            _ => {}
        }
    }
    let Some(kind) = TOPICS.iter().find(|known| known.as_bytes() == topic) else { return Ok(None) };
    let body = Body::read(kind, body)?;
    event.what = match *kind {
        "/containers/create" | "/containers/update" => What::Recorded,
        "/containers/delete" => What::Deleted,
        "/tasks/create" | "/tasks/start" => What::Running { pid: body.pid, bundle: body.bundle },
        _ => What::Ended,
    };
    let is_first = body.process.is_empty() || body.process == body.id;
    event.id = body.id;
    Ok(Some(event).filter(|event| is_first && bounds::is_id(&event.id)))
}

/// The fields of all bodies. Field 1 is the container's id in each.
#[derive(Default)]
struct Body {
    id: String,
    pid: u32,
    bundle: String,
    /// Which process of the container; empty for its first.
    process: String,
}

impl Body {
    fn read(topic: &str, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut body = Body::default();
        for field in Value::Bytes(bytes).fields()? {
            match (topic, field?) {
                (_, (1, id)) => body.id = id.text()?,
                ("/tasks/create", (2, bundle)) => body.bundle = bundle.text()?,
                ("/tasks/create", (6, pid)) | ("/tasks/start", (2, pid)) => body.pid = pid.number()?,
                ("/tasks/exit", (2, process)) | ("/tasks/delete", (5, process)) => body.process = process.text()?,
                _ => {}
            }
        }
        Ok(body)
    }
}
