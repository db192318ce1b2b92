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
    /// Kubernetes namespaces.
    pub namespaces: Terms,
    /// Names of pods.
    pub pods: Terms,
    /// Labels: of the pod in Kubernetes, of the container elsewhere. All have to match.
    pub labels: LabelTerms,
    /// Names in the pod only; commands set it, configurations have `names`.
    #[serde(skip)]
    pub k8s_names: Terms,
    /// Whether processes outside of containers are looked at, too. When nothing else is given: true unless this says false.
    pub host: Option<bool>,
}

impl Selector {
    /// Whether a container is looked at.
    pub fn matches(&self, container: &Container) -> bool {
        let k8s = &container.k8s;
        let labels = if k8s.pod_name.is_empty() { &container.labels } else { &k8s.pod_labels };
        self.names.matches_any([container.runtime.container_name.as_str(), k8s.container_name.as_str()])
            && self.namespaces.matches_any([k8s.namespace.as_str()])
            && self.pods.matches_any([k8s.pod_name.as_str()])
            && self.labels.matches(labels)
            && self.k8s_names.matches_any([k8s.container_name.as_str()])
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
        self.names.is_empty() && self.namespaces.is_empty() && self.pods.is_empty() && self.labels.is_empty() && self.k8s_names.is_empty()
    }
}
