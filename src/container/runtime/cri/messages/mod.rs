//! The messages of the Container Runtime Interface, as far as they are read. They are the same in v1 and v1alpha2.
//!
//! Source of the field numbers: `k8s.io/cri-api`, `pkg/apis/runtime/v1/api.proto`.

mod container;
mod info;
mod sandbox;

use crate::container::runtime::bounds::Labels;
use crate::container::runtime::grpc::wire::{Malformed, Value, lossy};

pub(super) use container::{Told, container, status_answer};
pub(super) use sandbox::{Sandbox, sandbox, sandbox_answer};

/// One of several things in an answer.
pub(super) type Item<'a> = Value<'a>;

/// A request without fields.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Empty {}

/// `VersionRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VersionRequest {
    #[prost(string, tag = "1")]
    pub version: String,
}

/// `ContainerStatusRequest`, `PodSandboxStatusRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StatusRequest {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(bool, tag = "2")]
    pub verbose: bool,
}

/// `ImageStatusRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ImageRequest {
    #[prost(message, optional, tag = "1")]
    pub image: Option<ImageSpec>,
}

/// `ImageSpec`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ImageSpec {
    #[prost(string, tag = "1")]
    pub image: String,
}

/// Which program answers: `VersionResponse`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Version {
    pub name: String,
    pub version: String,
}

/// What happened to a container or a sandbox: `ContainerEventResponse`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub id: String,
    pub kind: u32,
    pub unix_ns: i64,
}

impl Event {
    pub const STOPPED: u32 = 2;
    pub const DELETED: u32 = 3;
}

/// `VersionResponse`.
pub(super) fn version(answer: &[u8]) -> Result<Version, Malformed> {
    let mut version = Version::default();
    for field in Value::Bytes(answer).fields()? {
        match field? {
            (2, name) => version.name = name.text()?,
            (3, text) => version.version = text.text()?,
            _ => {}
        }
    }
    Ok(version)
}

/// `ImageStatusResponse`: id of the image and its digest in its first repository, each empty when unknown.
pub(super) fn image_answer(answer: &[u8]) -> Result<(String, String), Malformed> {
    let (mut id, mut digest) = (String::new(), String::new());
    for field in Value::Bytes(answer).fields()? {
        let (1, image) = field? else { continue };
        for field in image.fields()? {
            match field? {
                (1, text) => id = text.text()?,
                (3, text) if digest.is_empty() => digest = digest_in(&text.text()?).to_owned(),
                _ => {}
            }
        }
    }
    Ok((id, digest))
}

/// `ContainerEventResponse`.
pub(super) fn event(message: &[u8]) -> Result<Event, Malformed> {
    let mut event = Event::default();
    for field in Value::Bytes(message).fields()? {
        match field? {
            (1, id) => event.id = id.text()?,
            (2, kind) => event.kind = kind.number()?,
            (3, ns) => event.unix_ns = ns.signed()?.max(0),
            _ => {}
        }
    }
    Ok(event)
}

/// The digest in `repository@sha256:...`; empty when there is none.
pub(super) fn digest_in(reference: &str) -> &str {
    reference.split_once('@').map(|(_, digest)| digest).unwrap_or_default()
}

/// Adds a map's entry to labels or annotations.
fn add(labels: &mut Labels, entry: Value<'_>) -> Result<(), Malformed> {
    let (key, value) = entry.entry()?;
    labels.add(&lossy(key), &lossy(value));
    Ok(())
}
