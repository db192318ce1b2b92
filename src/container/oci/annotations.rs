//! The annotations that containerd, CRI-O and Podman write into a bundle, as a container record.

use std::collections::BTreeMap;

use crate::container::record::{Container, KubernetesMeta};

/// Longest annotation kept, in bytes.
const TEXT_LIMIT: usize = 4096;
/// Most annotations kept of one container.
const COUNT_LIMIT: usize = 256;

/// Keys of one runtime for the same facts. An empty key: the runtime does not tell.
struct Keys {
    runtime: &'static str,
    kind: &'static str,
    container: &'static str,
    pod: &'static str,
    namespace: &'static str,
    uid: &'static str,
    sandbox: &'static str,
    image: &'static str,
}

/// Source: containerd `pkg/cri/annotations`, CRI-O `pkg/annotations`.
const CONTAINERD: Keys = Keys {
    runtime: "containerd",
    kind: "io.kubernetes.cri.container-type",
    container: "io.kubernetes.cri.container-name",
    pod: "io.kubernetes.cri.sandbox-name",
    namespace: "io.kubernetes.cri.sandbox-namespace",
    uid: "io.kubernetes.cri.sandbox-uid",
    sandbox: "io.kubernetes.cri.sandbox-id",
    image: "io.kubernetes.cri.image-name",
};

const CRIO: Keys = Keys {
    runtime: "cri-o",
    kind: "io.kubernetes.cri-o.ContainerType",
    container: "io.kubernetes.container.name",
    pod: "io.kubernetes.pod.name",
    namespace: "io.kubernetes.pod.namespace",
    uid: "io.kubernetes.pod.uid",
    sandbox: "io.kubernetes.cri-o.SandboxID",
    image: "io.kubernetes.cri-o.ImageName",
};

/// Podman borrows two of CRI-O's keys for its own pods.
const PODMAN: Keys =
    Keys { runtime: "podman", container: "", pod: "", namespace: "", uid: "", image: "", kind: CRIO.kind, sandbox: CRIO.sandbox };

/// Who says that it manages the container: `cri-o` or `libpod`.
const MANAGER: &str = "io.container.manager";
/// The pod's labels as JSON, on CRI-O's sandboxes.
const CRIO_LABELS: &str = "io.kubernetes.cri-o.Labels";
/// The pod's annotations as JSON, on CRI-O's sandboxes.
const CRIO_ANNOTATIONS: &str = "io.kubernetes.cri-o.Annotations";

/// A record with all that the annotations tell; its id, name and process are for the caller to fill in.
pub fn container(annotations: BTreeMap<String, String>) -> Container {
    let annotations = bounded(annotations);
    let mut container = Container::default();
    if let Some(keys) = keys(&annotations) {
        let get = |key: &str| annotations.get(key).cloned().unwrap_or_default();
        container.runtime.runtime_name = keys.runtime.to_owned();
        container.runtime.container_image_name = get(keys.image);
        container.sandbox_id = get(keys.sandbox);
        container.sandbox = get(keys.kind) == "sandbox";
        container.k8s = KubernetesMeta {
            namespace: get(keys.namespace),
            pod_name: get(keys.pod),
            pod_uid: get(keys.uid),
            container_name: if container.sandbox { String::new() } else { get(keys.container) },
            ..KubernetesMeta::default()
        };
        if container.sandbox && keys.runtime == CRIO.runtime {
            container.labels = bounded(json(&annotations, CRIO_LABELS));
            container.annotations = bounded(json(&annotations, CRIO_ANNOTATIONS));
        }
    }
    container
}

fn keys(annotations: &BTreeMap<String, String>) -> Option<&'static Keys> {
    match annotations.get(MANAGER).map(String::as_str) {
        Some("libpod") => return Some(&PODMAN),
        Some("cri-o") => return Some(&CRIO),
        _ => {}
    }
    if annotations.contains_key(CONTAINERD.kind) {
        return Some(&CONTAINERD);
    }
    annotations.contains_key(CRIO.kind).then_some(&CRIO)
}

fn json(annotations: &BTreeMap<String, String>, key: &str) -> BTreeMap<String, String> {
    annotations.get(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn bounded(annotations: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_json = |key: &str| key == CRIO_LABELS || key == CRIO_ANNOTATIONS;
    let fits = |key: &String, value: &String| key.len() + value.len() <= TEXT_LIMIT || (is_json(key) && value.len() <= 64 * TEXT_LIMIT);
    annotations.into_iter().filter(|(key, value)| fits(key, value)).take(COUNT_LIMIT).collect()
}
