//! What a container's dictionary entry says: the attributes behind the enrichment fields; `resource.rs` has its OpenTelemetry resource.

use std::borrow::Cow;

use super::Container;
use super::snapshot::{Entry, Snapshot, UNNAMED_ENTRY};
use crate::batch::{Dictionary, Kind, Value};

/// An attribute of a container. The numbers are what [`Dictionary::value`] takes and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Attribute {
    /// Name of the Kubernetes node.
    Node = 0,
    /// Namespace of the pod.
    Namespace = 1,
    /// Name of the pod.
    PodName = 2,
    /// Name of the container in its pod.
    PodContainerName = 3,
    /// Whether it uses the host's network.
    HostNetwork = 4,
    /// `k=v,k=v`.
    PodLabels = 5,
    /// Kind of the workload that the pod belongs to, the topmost of its owners. Empty without the API server.
    OwnerKind = 6,
    /// Name of that workload. Empty without the API server.
    OwnerName = 7,
    /// Name the runtime knows it by.
    ContainerName = 8,
    /// Name of the runtime.
    RuntimeName = 9,
    /// Full id.
    ContainerId = 10,
    /// Process id of its first process.
    ContainerPid = 11,
    /// Image as the user named it.
    ImageName = 12,
    /// Digest of the image in its repository.
    ImageDigest = 13,
    /// Start in nanoseconds since the Unix epoch.
    StartedAt = 14,
    /// True for what belongs to a container that nobody has given a name; else it has no value.
    Unresolved = 15,
}

impl Attribute {
    /// Every attribute, by number.
    pub const ALL: [Attribute; 16] = [
        Attribute::Node,
        Attribute::Namespace,
        Attribute::PodName,
        Attribute::PodContainerName,
        Attribute::HostNetwork,
        Attribute::PodLabels,
        Attribute::OwnerKind,
        Attribute::OwnerName,
        Attribute::ContainerName,
        Attribute::RuntimeName,
        Attribute::ContainerId,
        Attribute::ContainerPid,
        Attribute::ImageName,
        Attribute::ImageDigest,
        Attribute::StartedAt,
        Attribute::Unresolved,
    ];

    /// The number a dictionary takes.
    pub fn id(self) -> u16 {
        self as u16
    }

    /// The type of its values.
    pub fn kind(self) -> Kind {
        match self {
            Attribute::HostNetwork | Attribute::Unresolved => Kind::Bool,
            Attribute::ContainerPid => Kind::Uint(4),
            Attribute::StartedAt => Kind::Int(8),
            _ => Kind::Text,
        }
    }

    /// The value when nothing is known.
    fn unknown(self) -> Value<'static> {
        match self.kind() {
            _ if self == Attribute::Unresolved => Value::None,
            Kind::Bool => Value::Bool(false),
            Kind::Uint(_) => Value::Uint(0),
            Kind::Int(_) => Value::Int(0),
            _ => Value::Text(b""),
        }
    }

    fn of(self, entry: &Entry) -> Value<'_> {
        let Container { runtime, k8s, host_network, .. } = &entry.container;
        let text = match self {
            Attribute::Unresolved if entry.is_group || entry.container.is_named() => return Value::None,
            Attribute::Unresolved => return Value::Bool(true),
            Attribute::HostNetwork => return Value::Bool(*host_network),
            Attribute::ContainerPid => return Value::Uint(runtime.container_pid.into()),
            Attribute::StartedAt => return Value::Int(runtime.container_started_at),
            Attribute::Node => "",
            Attribute::OwnerKind => k8s.owners.last().map_or("", |owner| &owner.kind),
            Attribute::OwnerName => k8s.owners.last().map_or("", |owner| &owner.name),
            Attribute::Namespace => &k8s.namespace,
            Attribute::PodName => &k8s.pod_name,
            Attribute::PodContainerName => &k8s.container_name,
            Attribute::PodLabels => &entry.pod_labels,
            Attribute::ContainerName => &runtime.container_name,
            Attribute::RuntimeName => &runtime.runtime_name,
            Attribute::ContainerId => &runtime.container_id,
            Attribute::ImageName => &runtime.container_image_name,
            Attribute::ImageDigest => &runtime.container_image_digest,
        };
        Value::Text(text.as_bytes())
    }
}

impl Dictionary for Snapshot {
    fn value(&self, entry: u32, attribute: u16) -> Value<'_> {
        let Some(&attribute) = Attribute::ALL.get(usize::from(attribute)) else { return Value::None };
        if attribute == Attribute::Node {
            return Value::Text(self.node.as_bytes());
        }
        if (entry, attribute) == (UNNAMED_ENTRY, Attribute::Unresolved) {
            return Value::Bool(true);
        }
        self.entry(entry).map_or(attribute.unknown(), |e| attribute.of(e))
    }

    fn resource(&self, entry: u32) -> Vec<(Cow<'static, str>, String)> {
        super::resource::attributes(self, entry)
    }
}

/// Repository and tag of an image name. The colon of a registry's port is not a tag's; a digest is neither.
pub(super) fn split_image(name: &str) -> (&str, &str) {
    if name.starts_with("sha256:") {
        return ("", "");
    }
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, ""),
    }
}
