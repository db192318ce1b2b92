//! The API's objects, as far as they are of use here: everything else of them is skipped while they are read.
//!
//! A `null` counts as nothing said, as in the API's own types.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer};

/// Most bytes of all labels, or of all annotations, of one object that are kept.
const MAX_PAIRS: usize = 64 << 10;
/// Most bytes of an annotation that is kept: longer ones are documents, not descriptions.
const MAX_ANNOTATION: usize = 4 << 10;
/// Most addresses of one object.
const MAX_ADDRESSES: usize = 16;

/// Any object of the API.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Object<Spec, Status> {
    /// What it is called.
    pub metadata: Metadata,
    /// What is wanted of it.
    #[serde(default = "Spec::default", deserialize_with = "or_default")]
    #[serde(bound(deserialize = "Spec: Default + Deserialize<'de>"))]
    pub spec: Spec,
    /// What it is.
    #[serde(default = "Status::default", deserialize_with = "or_default")]
    #[serde(bound(deserialize = "Status: Default + Deserialize<'de>"))]
    pub status: Status,
}

/// A pod.
pub type Pod = Object<PodSpec, PodStatus>;
/// A service.
pub type Service = Object<ServiceSpec, Nothing>;
/// A controller.
pub type Controller = Object<Nothing, Nothing>;

/// The part of an object that nobody asks for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Nothing {}

/// What every object has.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct Metadata {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub namespace: String,
    #[serde(deserialize_with = "or_default")]
    pub uid: String,
    #[serde(deserialize_with = "or_default")]
    pub resource_version: String,
    #[serde(deserialize_with = "labels")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub owner_references: Vec<OwnerReference>,
}

/// Who owns an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct OwnerReference {
    #[serde(deserialize_with = "or_default")]
    pub api_version: String,
    #[serde(deserialize_with = "or_default")]
    pub kind: String,
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub uid: String,
    #[serde(deserialize_with = "or_default")]
    pub controller: bool,
}

/// See [`Pod`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct PodSpec {
    #[serde(deserialize_with = "or_default")]
    pub host_network: bool,
}

/// See [`Pod`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct PodStatus {
    #[serde(deserialize_with = "or_default")]
    pub phase: String,
    #[serde(rename = "hostIP", deserialize_with = "or_default")]
    pub host_ip: String,
    #[serde(rename = "podIP", deserialize_with = "or_default")]
    pub pod_ip: String,
    #[serde(rename = "podIPs", deserialize_with = "or_default")]
    pub pod_ips: Vec<PodIp>,
}

/// An address of a pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct PodIp {
    #[serde(deserialize_with = "or_default")]
    pub ip: String,
}

/// See [`Service`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct ServiceSpec {
    #[serde(rename = "clusterIP", deserialize_with = "or_default")]
    pub cluster_ip: String,
    #[serde(rename = "clusterIPs", deserialize_with = "or_default")]
    pub cluster_ips: Vec<String>,
    #[serde(deserialize_with = "labels")]
    pub selector: BTreeMap<String, String>,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
#[allow(missing_docs, reason = "named as in the API")]
pub struct List<T> {
    pub metadata: ListMetadata,
    #[serde(default = "Vec::new", deserialize_with = "or_default")]
    pub items: Vec<T>,
}

/// See [`List`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct ListMetadata {
    #[serde(deserialize_with = "or_default")]
    pub resource_version: String,
    #[serde(rename = "continue", deserialize_with = "or_default")]
    pub next: String,
}

/// One line of a watch.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
#[allow(missing_docs, reason = "named as in the API")]
pub enum Event<T> {
    Added(T),
    Modified(T),
    Deleted(T),
    Bookmark(Controller),
    Error(Failure),
}

/// Why the API server says no.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "named as in the API")]
pub struct Failure {
    #[serde(deserialize_with = "or_default")]
    pub message: String,
    #[serde(deserialize_with = "or_default")]
    pub code: u16,
}

impl<Spec, Status> Object<Spec, Status> {
    /// Who controls it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.metadata.owner_references.iter().find(|owner| owner.controller)
    }
}

impl Pod {
    /// Its addresses, of which the first is the one it is known by. None once it has ended: others may have them by then.
    pub fn addresses(&self) -> Vec<IpAddr> {
        if self.has_ended() {
            return Vec::new();
        }
        let all = self.status.pod_ips.iter().map(|pod| pod.ip.as_str());
        parsed(std::iter::once(self.status.pod_ip.as_str()).chain(all))
    }

    /// Whether none of its containers will run again.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// The uid that its containers have in their labels. Of a pod from a file of the kubelet's the API server has only a mirror, with
    /// a uid of its own.
    pub fn local_uid(&self) -> &str {
        self.metadata.annotations.get("kubernetes.io/config.mirror").unwrap_or(&self.metadata.uid)
    }
}

impl Service {
    /// Its addresses in the cluster; none for one that is only a name.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let all = self.spec.cluster_ips.iter().map(String::as_str);
        parsed(std::iter::once(self.spec.cluster_ip.as_str()).chain(all))
    }
}

fn parsed<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    for address in texts.filter_map(|text| text.parse().ok()).take(MAX_ADDRESSES) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    or_default(deserializer).map(|pairs| bounded(pairs, MAX_PAIRS))
}

fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    or_default(deserializer).map(|pairs| bounded(pairs, MAX_ANNOTATION))
}

/// The first pairs that fit into [`MAX_PAIRS`], without those whose value is longer than `longest`.
fn bounded(mut pairs: BTreeMap<String, String>, longest: usize) -> BTreeMap<String, String> {
    let mut room = MAX_PAIRS;
    pairs.retain(|key, value| {
        let size = key.len() + value.len();
        let fits = value.len() <= longest && size <= room;
        room -= if fits { size } else { 0 };
        fits
    });
    pairs
}
