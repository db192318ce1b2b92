//! One container as the rest of the program and `list-containers` see it. The JSON is that of `ig list-containers -o json`.

use std::collections::BTreeMap;

use serde::Serialize;

/// A container. Empty members are left out of the JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// What its runtime says about it.
    pub runtime: RuntimeMeta,
    /// What Kubernetes calls it.
    pub k8s: KubernetesMeta,
    /// The OCI runtime configuration, as JSON text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub oci_config: String,
    /// Folder of the OCI bundle.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bundle: String,
    /// Id of the pod sandbox it belongs to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox_id: String,
    /// Inode of its mount namespace; 0 before it runs.
    #[serde(skip_serializing_if = "is_zero")]
    pub mntns: u64,
    /// Inode of its network namespace; 0 before it runs.
    #[serde(skip_serializing_if = "is_zero")]
    pub netns: u64,
    /// Whether it shares the network namespace of process 1.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
    /// Folder of its cgroup v2, mount point included.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cgroup_path: String,
    /// Inode of [`Container::cgroup_path`], what `bpf_get_current_cgroup_id` returns.
    #[serde(rename = "cgroupID", skip_serializing_if = "is_zero")]
    pub cgroup_id: u64,
    /// Path in the v1 hierarchies.
    #[serde(rename = "cgroupV1", skip_serializing_if = "String::is_empty")]
    pub cgroup_v1: String,
    /// Path in the v2 hierarchy.
    #[serde(rename = "cgroupV2", skip_serializing_if = "String::is_empty")]
    pub cgroup_v2: String,
    /// The labels its runtime keeps. Those of a pod's sandbox are the pod's labels.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// The annotations its runtime keeps. Those of a pod's sandbox are the pod's annotations.
    #[serde(skip)]
    pub annotations: BTreeMap<String, String>,
    /// Namespace of the runtime that it is in, where the runtime has such: ids are unique within one.
    #[serde(skip)]
    pub namespace: String,
    /// Whether it is a pod's pause container: it names its events after the pod, but is listed and selected nowhere.
    #[serde(skip)]
    pub sandbox: bool,
}

/// The runtime's side of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeMeta {
    /// `docker`, `containerd`, `cri-o` or `podman`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub runtime_name: String,
    /// Full id, usually 64 hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container_id: String,
    /// Name without a leading slash.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container_name: String,
    /// Process id of its first process on the host; 0 while it does not run.
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub container_pid: u32,
    /// Image as the user named it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container_image_name: String,
    /// Id of the image, `sha256:...`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container_image_id: String,
    /// Digest of the image in its repository, `sha256:...`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container_image_digest: String,
    /// When it was started, in nanoseconds since the Unix epoch.
    #[serde(skip_serializing_if = "is_zero_i64")]
    pub container_started_at: i64,
}

/// The Kubernetes side of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesMeta {
    /// Namespace of the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name of the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_name: String,
    /// Labels of the pod.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
    /// Name of the container in the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container_name: String,
    /// Unique id of the pod.
    #[serde(rename = "podUID", skip_serializing_if = "String::is_empty")]
    pub pod_uid: String,
    /// Annotations of the pod.
    #[serde(skip)]
    pub pod_annotations: BTreeMap<String, String>,
    /// Address of the pod. Empty without the API server.
    #[serde(skip)]
    pub pod_ip: String,
    /// What controls the pod, from its direct owner up. Empty without the API server.
    #[serde(skip)]
    pub owners: Vec<Owner>,
}

/// A controller of a pod, or of another controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// `Deployment`, `ReplicaSet`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What the Kubernetes API server says of a pod on this node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pod {
    /// Unique id.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its address; empty until it has one.
    pub ip: String,
    /// What controls it, from its direct owner up.
    pub owners: Vec<Owner>,
}

impl KubernetesMeta {
    /// Reads the labels that the kubelet gives to every container it starts.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Self {
        let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
        KubernetesMeta {
            namespace: get("io.kubernetes.pod.namespace"),
            pod_name: get("io.kubernetes.pod.name"),
            container_name: get("io.kubernetes.container.name"),
            pod_uid: get("io.kubernetes.pod.uid"),
            ..KubernetesMeta::default()
        }
    }
}

impl Container {
    /// What tells it apart from all other containers: its id, in front of which stands the runtime's namespace if the id was chosen by somebody.
    pub fn key(&self) -> String {
        key(&self.namespace, &self.runtime.container_id)
    }

    /// Whether it can be told from here when it ends.
    pub(super) fn is_observable(&self) -> bool {
        self.runtime.container_pid != 0 || !self.cgroup_path.is_empty()
    }

    /// Whether anybody has given it a name by now.
    pub fn is_named(&self) -> bool {
        self.sandbox || !self.runtime.container_name.is_empty() || !self.k8s.container_name.is_empty()
    }

    /// Whether labels say that this is a pod's pause container, which nobody wants to see.
    pub fn is_sandbox(labels: &BTreeMap<String, String>) -> bool {
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|v| v == value);
        is("io.kubernetes.docker.type", "podsandbox") || is("io.cri-containerd.kind", "sandbox")
    }
}

/// The key of the container `id` in a runtime's namespace (empty: the runtime has none).
pub fn key(namespace: &str, id: &str) -> String {
    let is_random = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if namespace.is_empty() || is_random { id.to_owned() } else { format!("{namespace}/{id}") }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_zero_u32(n: &u32) -> bool {
    *n == 0
}

fn is_zero_i64(n: &i64) -> bool {
    *n == 0
}
