//! What only Podman's own API tells of a container: whether it holds a pod together, in which pod it is, its digest, its bundle.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::container::record::Container;
use crate::container::runtime::bounds::{self, text};

/// Annotation with the id of the pod's infra container.
const SANDBOX: &str = "io.kubernetes.cri-o.SandboxID";

/// Where a container is asked for.
pub(super) fn path(id: &str) -> String {
    format!("/v4.0.0/libpod/containers/{id}/json")
}

/// The part of the answer that is of use.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Told {
    is_infra: Option<bool>,
    image_digest: Option<String>,
    #[serde(rename = "OCIConfigPath")]
    oci_config_path: Option<String>,
    config: Option<Config>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    annotations: Option<BTreeMap<String, String>>,
}

/// Adds to a record what Podman's own API says.
pub(super) fn complete(container: &mut Container, told: Told) {
    container.runtime.container_image_digest = text(&told.image_digest.unwrap_or_default());
    container.sandbox = told.is_infra.unwrap_or(false);
    container.annotations = bounds::labels(told.config.and_then(|config| config.annotations).unwrap_or_default());
    container.sandbox_id = container.annotations.get(SANDBOX).cloned().unwrap_or_default();
    if let Some(bundle) = told.oci_config_path.as_deref().and_then(|path| Path::new(path).parent()?.to_str()) {
        container.bundle = text(bundle);
    }
}
