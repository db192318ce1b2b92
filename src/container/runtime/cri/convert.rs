//! Container records of what a runtime tells through the Container Runtime Interface.

use super::Kind;
use super::messages::{Sandbox, Told, digest_in};
use crate::container::record::{Container, KubernetesMeta};
use crate::container::runtime::bounds;

/// A container's record, without its process. `pod` is its sandbox's record, `image` the id and digest of its image as far as they
/// are known. `None` when its id is none.
pub(super) fn container(kind: Kind, told: &Told, pod: Option<&Container>, image: (String, String)) -> Option<Container> {
    let k8s = kubernetes(told, pod);
    let mut container = Container { labels: told.labels.clone(), annotations: told.annotations.clone(), ..Container::default() };
    container.sandbox_id.clone_from(&told.sandbox);
    container.runtime.runtime_name = kind.name.to_owned();
    container.runtime.container_id.clone_from(&told.id);
    container.runtime.container_name = match kind.synthetic {
        true => bounds::text(&format!("k8s_{}_{}_{}_{}_{}", k8s.container_name, k8s.pod_name, k8s.namespace, k8s.pod_uid, told.attempt)),
        false => k8s.container_name.clone(),
    };
    container.k8s = k8s;
    container.runtime.container_started_at = told.started_at;
    container.runtime.container_image_name.clone_from(&told.image);
    let (id, digest) = image;
    let told_id = if told.image_id.is_empty() { &told.image_ref } else { &told.image_id };
    let told_id = if digest_in(told_id).is_empty() { told_id.as_str() } else { "" };
    container.runtime.container_image_id = if id.is_empty() { told_id.to_owned() } else { id };
    container.runtime.container_image_digest = if digest.is_empty() { digest_in(&told.image_ref).to_owned() } else { digest };
    Some(container).filter(|container| bounds::is_id(&container.runtime.container_id))
}

/// By the kubelet's labels, else by what the container and its sandbox were called when they were made.
fn kubernetes(told: &Told, pod: Option<&Container>) -> KubernetesMeta {
    let mut k8s = KubernetesMeta::from_labels(&told.labels);
    let fill = |field: &mut String, text: &str| {
        if field.is_empty() {
            text.clone_into(field);
        }
    };
    fill(&mut k8s.container_name, &told.name);
    if let Some(pod) = pod {
        fill(&mut k8s.pod_name, &pod.k8s.pod_name);
        fill(&mut k8s.namespace, &pod.k8s.namespace);
        fill(&mut k8s.pod_uid, &pod.k8s.pod_uid);
    }
    k8s
}

/// A sandbox's record, without its process. `None` when its id is none.
pub(super) fn sandbox(kind: Kind, sandbox: &Sandbox) -> Option<Container> {
    let mut record = sandbox.record.clone();
    record.runtime.runtime_name = kind.name.to_owned();
    Some(record).filter(|record| bounds::is_id(&record.runtime.container_id))
}
