//! containerd's messages, as far as they are read: the requests, and what is taken from each answer.
//!
//! Source of the field numbers: `api/services` and `api/events` of containerd 1.6 to 2.2.

use crate::container::record::{Container, KubernetesMeta};
use crate::container::runtime::bounds::{self, Labels};
use crate::container::runtime::grpc::wire::{Malformed, Value, lossy};

use super::{NAME, extension};

/// One of several things in an answer.
pub(super) type Item<'a> = Value<'a>;

/// A request without fields.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Empty {}

/// Which container, or which image, is meant: `GetContainerRequest`, `GetImageRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Named {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `SubscribeRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Subscribe {
    #[prost(string, repeated, tag = "1")]
    pub filters: Vec<String>,
}

/// A task: the processes of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Task {
    pub id: String,
    pub pid: u32,
    pub stopped: bool,
}

/// An image by its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Image {
    pub name: String,
    pub digest: String,
}

/// `types.Process`, of which a task's is the first.
pub(super) fn task(message: Value<'_>) -> Result<Task, Malformed> {
    const STOPPED: u32 = 3;
    let mut task = Task::default();
    for field in message.fields()? {
        match field? {
            (2, id) => task.id = id.text()?,
            (3, pid) => task.pid = pid.number()?,
            (4, status) => task.stopped = status.number::<u32>()? == STOPPED,
            _ => {}
        }
    }
    Ok(task)
}

/// `Namespace`: its name.
pub(super) fn namespace(message: Value<'_>) -> Result<String, Malformed> {
    let mut name = String::new();
    for field in message.fields()? {
        if let (1, field) = field? {
            name = field.text()?;
        }
    }
    Ok(name)
}

/// `Image`, with the digest of its target.
pub(super) fn image(message: Value<'_>) -> Result<Image, Malformed> {
    let mut image = Image::default();
    for field in message.fields()? {
        match field? {
            (1, name) => image.name = name.text()?,
            (3, target) => {
                for field in target.fields()? {
                    if let (2, digest) = field? {
                        image.digest = digest.text()?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(image)
}

/// The message in field 1, in which answers about one thing are wrapped.
pub(super) fn wrapped(answer: &[u8]) -> Result<Option<Value<'_>>, Malformed> {
    let mut found = None;
    for field in Value::Bytes(answer).fields()? {
        if let (1, value) = field? {
            found = Some(value);
        }
    }
    Ok(found)
}

/// `Container` as a record without a process. `None` when its id is none.
pub(super) fn container(message: Value<'_>) -> Result<Option<Container>, Malformed> {
    let mut labels = Labels::default();
    let mut container = Container::default();
    let mut told = (None, None);
    for field in message.fields()? {
        match field? {
            (1, id) => container.runtime.container_id = id.text()?,
            (2, label) => {
                let (key, value) = label.entry()?;
                labels.add(&lossy(key), &lossy(value));
            }
            (3, image) => container.runtime.container_image_name = image.text()?,
            (10, extension) => match extension.entry()? {
                (extension::CONTAINER, value) => told.0 = any(value)?,
                (extension::SANDBOX, value) => told.1 = any(value)?,
                _ => {}
            },
            (11, sandbox) => container.sandbox_id = sandbox.text()?,
            _ => {}
        }
    }
    container.labels = labels.into_map();
    container.runtime.runtime_name = NAME.to_owned();
    container.sandbox = Container::is_sandbox(&container.labels);
    container.k8s = KubernetesMeta::from_labels(&container.labels);
    let told = if container.sandbox { told.1 } else { told.0 };
    if let Some(json) = told {
        extension::complete(&mut container, json);
    }
    name(&mut container);
    Ok(Some(container).filter(|container| bounds::is_id(&container.runtime.container_id)))
}

/// The value of a `google.protobuf.Any`.
fn any(message: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut value = None;
    for field in Value::Bytes(message).fields()? {
        if let (2, field) = field? {
            value = Some(field.bytes()?);
        }
    }
    Ok(value)
}

/// Names it as its user does: in Kubernetes, with nerdctl, with `ctr`. A sandbox has no name of its own.
fn name(container: &mut Container) {
    let label = |key: &str| container.labels.get(key).filter(|name| !name.is_empty()).cloned();
    if container.sandbox {
        container.k8s.container_name.clear();
        container.sandbox_id.clone_from(&container.runtime.container_id);
        container.labels.retain(|key, _| !key.starts_with("io.kubernetes.") && !key.starts_with("io.cri-containerd."));
        return;
    }
    let kubernetes = Some(container.k8s.container_name.clone()).filter(|name| !name.is_empty());
    let name = kubernetes.or_else(|| label("nerdctl/name")).unwrap_or_else(|| container.runtime.container_id.clone());
    container.runtime.container_name = name;
}
