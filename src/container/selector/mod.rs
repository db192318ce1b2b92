//! Which containers a gadget looks at: the `containers` key of the configuration.

mod follower;
mod terms;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;

pub use follower::Follower;
pub use terms::{InvalidTerm, LabelTerms, Terms};

use super::record::Container;

/// Which containers a gadget looks at. Without any member it looks at everything, the host included.
///
/// All members given must match. A list of values matches when one of them does; `!value` excludes, and a list of
/// exclusions only takes everything else.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Names, either the runtime's or that in the pod.
    pub names: Terms,
    /// Names that the runtime gave.
    pub runtime_names: Terms,
    /// Names in the pod.
    pub k8s_names: Terms,
    /// Kubernetes namespaces.
    pub namespaces: Terms,
    /// Names of pods.
    pub pods: Terms,
    /// Labels: of the pod in Kubernetes, of the container elsewhere. All have to match.
    pub labels: LabelTerms,
    /// Ids of images; the first 12 digits decide, with or without `sha256:` in front.
    pub image_ids: Terms,
    /// Digests of images in their repositories; the first 12 digits decide, with or without `sha256:` in front.
    pub image_digests: Terms,
    /// Runtimes: `docker`, `podman`, `containerd`, `cri-o`, ...
    pub runtimes: Terms,
    /// Whether processes outside of containers are looked at, too. When nothing else is given: true unless this says false.
    pub host: Option<bool>,
}

impl Selector {
    /// Whether a container is looked at. A pod's pause container never is.
    pub fn matches(&self, container: &Container) -> bool {
        let (k8s, runtime) = (&container.k8s, &container.runtime);
        let labels = if k8s.pod_name.is_empty() { &container.labels } else { &k8s.pod_labels };
        !container.sandbox
            && self.names.matches_any([runtime.container_name.as_str(), k8s.container_name.as_str()])
            && self.runtime_names.matches_any([runtime.container_name.as_str()])
            && self.k8s_names.matches_any([k8s.container_name.as_str()])
            && self.namespaces.matches_any([k8s.namespace.as_str()])
            && self.pods.matches_any([k8s.pod_name.as_str()])
            && self.labels.matches(labels)
            && self.image_ids.matches_hash(&runtime.container_image_id)
            && self.image_digests.matches_hash(&runtime.container_image_digest)
            && self.runtimes.matches_any([runtime.runtime_name.as_str()])
    }

    /// Whether nothing is left out, so that no filter is needed.
    pub fn is_everything(&self) -> bool {
        self.selects_all_containers() && self.host != Some(false)
    }

    /// Whether processes in the host's mount namespace are looked at.
    pub fn includes_host(&self) -> bool {
        self.host.unwrap_or_else(|| self.selects_all_containers())
    }

    /// Whether no container is left out.
    pub fn selects_all_containers(&self) -> bool {
        let lists = [&self.names, &self.runtime_names, &self.k8s_names, &self.namespaces, &self.pods];
        let more = [&self.image_ids, &self.image_digests, &self.runtimes];
        self.labels.is_empty() && lists.into_iter().chain(more).all(Terms::is_empty)
    }
}
