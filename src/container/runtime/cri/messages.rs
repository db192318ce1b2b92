//! The messages of the Container Runtime Interface, as far as they are read. They are the same in v1 and v1alpha2.
//!
//! Source of the field numbers: `k8s.io/cri-api`, `pkg/apis/runtime/v1/api.proto`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::container::record::{Container, KubernetesMeta};
use crate::container::runtime::bounds::{self, Labels};
use crate::container::runtime::grpc::wire::{Malformed, Value, lossy};

/// Longest JSON of a verbose answer that is read, in bytes.
const INFO_LIMIT: usize = 4 << 20;

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

/// A container as a listing or its status tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    pub id: String,
    pub sandbox: String,
    pub name: String,
    pub attempt: u32,
    pub state: u32,
    pub pid: u32,
    /// When it was started, in nanoseconds since the Unix epoch.
    pub started_at: i64,
    /// Image as the user named it, perhaps; some runtimes give its id instead.
    pub image: String,
    /// Repository and digest of the image, or its id.
    pub image_ref: String,
    /// Id of the image.
    pub image_id: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Told {
    /// Whether it has a process.
    pub fn running(&self) -> bool {
        const RUNNING: u32 = 1;
        self.state == RUNNING
    }

    /// Whether it is over.
    pub fn over(&self) -> bool {
        const EXITED: u32 = 2;
        self.state == EXITED
    }
}

/// A pod's sandbox.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sandbox {
    /// Its record, without the runtime's name.
    pub record: Container,
    /// Whether its pause container runs.
    pub ready: bool,
    pub pid: u32,
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

/// `Container`, of a listing.
pub(super) fn container(message: Value<'_>) -> Result<Told, Malformed> {
    let mut told = Told::default();
    let (mut labels, mut annotations) = (Labels::default(), Labels::default());
    for field in message.fields()? {
        match field? {
            (1, id) => told.id = id.text()?,
            (2, sandbox) => told.sandbox = sandbox.text()?,
            (3, metadata) => (told.name, told.attempt) = container_name(metadata)?,
            (4, image) => told.image = image_name(image)?,
            (5, reference) => told.image_ref = reference.text()?,
            (6, state) => told.state = state.number()?,
            (8, label) => add(&mut labels, label)?,
            (9, annotation) => add(&mut annotations, annotation)?,
            (10, id) => told.image_id = id.text()?,
            _ => {}
        }
    }
    Ok(Told { labels: labels.into_map(), annotations: annotations.into_map(), ..told })
}

/// `ContainerStatus`.
fn container_status(message: Value<'_>) -> Result<Told, Malformed> {
    let mut told = Told::default();
    let (mut labels, mut annotations) = (Labels::default(), Labels::default());
    for field in message.fields()? {
        match field? {
            (1, id) => told.id = id.text()?,
            (2, metadata) => (told.name, told.attempt) = container_name(metadata)?,
            (3, state) => told.state = state.number()?,
            (5, ns) => told.started_at = ns.signed()?.max(0),
            (8, image) => told.image = image_name(image)?,
            (9, reference) => told.image_ref = reference.text()?,
            (12, label) => add(&mut labels, label)?,
            (13, annotation) => add(&mut annotations, annotation)?,
            (17, id) => told.image_id = id.text()?,
            _ => {}
        }
    }
    Ok(Told { labels: labels.into_map(), annotations: annotations.into_map(), ..told })
}

/// `ContainerStatusResponse`. `None` when there is no status in it.
pub(super) fn status_answer(answer: &[u8]) -> Result<Option<Told>, Malformed> {
    let (mut told, mut info) = (None, Info::default());
    for field in Value::Bytes(answer).fields()? {
        match field? {
            (1, status) => told = Some(container_status(status)?),
            (2, entry) => info.read(entry)?,
            _ => {}
        }
    }
    Ok(told.map(|told| Told { pid: info.pid, sandbox: info.sandbox_id, ..told }))
}

/// `PodSandbox`, of a listing; or `PodSandboxStatus`, which differs from it in where labels and annotations are.
pub(super) fn sandbox(message: Value<'_>, status: bool) -> Result<Sandbox, Malformed> {
    let fields = if status { (7, 8) } else { (5, 6) };
    let mut sandbox = Sandbox { ready: true, ..Sandbox::default() };
    let record = &mut sandbox.record;
    let (mut labels, mut annotations) = (Labels::default(), Labels::default());
    for field in message.fields()? {
        match field? {
            (1, id) => record.runtime.container_id = id.text()?,
            (2, metadata) => record.k8s = pod(metadata)?,
            (3, state) => sandbox.ready = state.number::<u32>()? == 0,
            (number, label) if number == fields.0 => add(&mut labels, label)?,
            (number, annotation) if number == fields.1 => add(&mut annotations, annotation)?,
            _ => {}
        }
    }
    record.sandbox = true;
    record.sandbox_id.clone_from(&record.runtime.container_id);
    record.labels = labels.into_map();
    // The kubelet's own labels say what the metadata says.
    record.labels.retain(|key, _| !key.starts_with("io.kubernetes."));
    record.annotations = annotations.into_map();
    Ok(sandbox)
}

/// `PodSandboxStatusResponse`. `None` when there is no status in it.
pub(super) fn sandbox_answer(answer: &[u8]) -> Result<Option<Sandbox>, Malformed> {
    let (mut found, mut info) = (None, Info::default());
    for field in Value::Bytes(answer).fields()? {
        match field? {
            (1, status) => found = Some(sandbox(status, true)?),
            (2, entry) => info.read(entry)?,
            _ => {}
        }
    }
    Ok(found.map(|sandbox| Sandbox { pid: info.pid, ..sandbox }))
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

fn container_name(metadata: Value<'_>) -> Result<(String, u32), Malformed> {
    let (mut name, mut attempt) = (String::new(), 0);
    for field in metadata.fields()? {
        match field? {
            (1, text) => name = text.text()?,
            (2, number) => attempt = number.number()?,
            _ => {}
        }
    }
    Ok((name, attempt))
}

fn image_name(spec: Value<'_>) -> Result<String, Malformed> {
    let (mut image, mut by_user) = (String::new(), String::new());
    for field in spec.fields()? {
        match field? {
            (1, text) => image = text.text()?,
            (18, text) => by_user = text.text()?,
            _ => {}
        }
    }
    Ok(if by_user.is_empty() { image } else { by_user })
}

fn pod(metadata: Value<'_>) -> Result<KubernetesMeta, Malformed> {
    let mut pod = KubernetesMeta::default();
    for field in metadata.fields()? {
        match field? {
            (1, name) => pod.pod_name = name.text()?,
            (2, uid) => pod.pod_uid = uid.text()?,
            (3, namespace) => pod.namespace = namespace.text()?,
            _ => {}
        }
    }
    Ok(pod)
}

fn add(labels: &mut Labels, entry: Value<'_>) -> Result<(), Malformed> {
    let (key, value) = entry.entry()?;
    labels.add(&lossy(key), &lossy(value));
    Ok(())
}

/// What runtimes tell beyond the interface, as JSON under the key `info` of verbose answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    pid: u32,
    #[serde(rename = "sandboxID")]
    sandbox_id: String,
}

impl Info {
    fn read(&mut self, entry: Value<'_>) -> Result<(), Malformed> {
        let (key, json) = entry.entry()?;
        if key == b"info" && json.len() <= INFO_LIMIT {
            // A container without a process may have a negative number here: then nothing else of use either.
            *self = serde_json::from_slice(json).unwrap_or_default();
            self.sandbox_id = bounds::text(&self.sandbox_id);
        }
        Ok(())
    }
}
