//! What containerd's CRI plugin was told of a container or sandbox, as JSON beside the record.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::container::record::Container;
use crate::container::runtime::bounds;

/// Key of a container's.
pub(super) const CONTAINER: &[u8] = b"io.cri-containerd.container.metadata";
/// Key of a sandbox's.
pub(super) const SANDBOX: &[u8] = b"io.cri-containerd.sandbox.metadata";

/// Longest JSON that is read, in bytes.
const LIMIT: usize = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Told {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Metadata {
    #[serde(rename = "SandboxID")]
    sandbox_id: String,
    image_ref: String,
    config: Config,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    metadata: Identity,
    image: ImageSpec,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// A pod's name, or a container's within its pod.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Identity {
    name: String,
    uid: String,
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImageSpec {
    image: String,
    user_specified_image: String,
}

/// Adds to a record what the plugin knows beyond it. JSON that cannot be read adds nothing.
pub(super) fn complete(container: &mut Container, json: &[u8]) {
    let told = Some(json).filter(|json| json.len() <= LIMIT).and_then(|json| serde_json::from_slice::<Told>(json).ok());
    let Some(Told { metadata: Metadata { sandbox_id, image_ref, config } }) = told else { return };
    container.annotations = bounds::labels(config.annotations);
    let fill = |field: &mut String, text: &str| {
        if field.is_empty() {
            *field = bounds::text(text);
        }
    };
    if container.sandbox {
        // The record's own labels are mixed with those of the pause image.
        container.labels = bounds::labels(config.labels);
        fill(&mut container.k8s.pod_name, &config.metadata.name);
        fill(&mut container.k8s.pod_uid, &config.metadata.uid);
        fill(&mut container.k8s.namespace, &config.metadata.namespace);
        return;
    }
    fill(&mut container.sandbox_id, &sandbox_id);
    fill(&mut container.runtime.container_image_id, &image_ref);
    fill(&mut container.k8s.container_name, &config.metadata.name);
    // The kubelet names images by their ids.
    let is_id = |name: &str| name.is_empty() || name.starts_with("sha256:");
    if is_id(&container.runtime.container_image_name) {
        let names = [&config.image.user_specified_image, &config.image.image];
        if let Some(name) = names.into_iter().find(|name| !is_id(name)) {
            container.runtime.container_image_name = bounds::text(name);
        }
    }
}
