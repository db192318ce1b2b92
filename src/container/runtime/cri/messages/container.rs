//! Containers, as listings and their statuses tell of them.

use std::collections::BTreeMap;

use super::add;
use super::info::Info;
use crate::container::runtime::bounds::Labels;
use crate::container::runtime::grpc::wire::{Malformed, Value};

/// A container as a listing or its status tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::container::runtime::cri) struct Told {
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

/// `Container`, of a listing.
pub(in crate::container::runtime::cri) fn container(message: Value<'_>) -> Result<Told, Malformed> {
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
pub(in crate::container::runtime::cri) fn status_answer(answer: &[u8]) -> Result<Option<Told>, Malformed> {
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
