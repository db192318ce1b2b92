//! The section about the Kubernetes API server: its keys and the settings that it means.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tree::Node;
use crate::kubernetes::{Enabled, Scope, Settings};

/// The Kubernetes API server: tells owners, labels and addresses of this node's pods, and the addresses of services.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesConfig {
    /// Whether it is asked: `auto` (in a pod with a service account, or when a kubeconfig is given), `true` or `false`.
    #[serde(default)]
    #[schemars(schema_with = "enabled_schema")]
    pub enabled: Option<Switch>,
    /// The file that says where it is and who we are; the service account of the pod when left out.
    #[serde(default)]
    #[schemars(extend("x-format" = "absolute-path"))]
    pub kubeconfig: Option<String>,
    /// Name of this node; when left out what `NODE_NAME` says, else the name of the host.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub node: Option<String>,
    /// Of which pods addresses are known: those of this `node`, or all of the `cluster`, which costs a watch of all pods.
    #[serde(default)]
    #[schemars(extend("default" = "node"))]
    pub addresses: Option<Scope>,
}

/// `auto`, or a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Switch {
    /// Decided.
    Set(bool),
    /// Not decided.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// As the surroundings are.
    Auto,
}

fn enabled_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": ["string", "boolean"], "enum": ["auto", true, false], "default": "auto"})
}

/// What holds where the files say nothing.
pub fn defaults() -> Value {
    json!({"enabled": "auto", "addresses": "node"})
}

/// The settings that the section means.
pub fn settings(config: KubernetesConfig) -> Settings {
    let enabled = match config.enabled {
        Some(Switch::Set(true)) => Enabled::Yes,
        Some(Switch::Set(false)) => Enabled::No,
        Some(Switch::Auto(Auto::Auto)) | None => Enabled::Auto,
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Settings {
        enabled,
        kubeconfig: given(config.kubeconfig).map(PathBuf::from),
        node: given(config.node),
        addresses: config.addresses.unwrap_or_default(),
    }
}

/// Whether the configuration `root`, which may be wrong elsewhere, wants the API server to be asked.
pub fn wanted(root: &Node) -> bool {
    let section = root.get("kubernetes").filter(|node| !node.is_null()).map(Node::to_json);
    let config = section.and_then(|section| serde_json::from_value(section).ok()).unwrap_or_default();
    settings(config).wanted()
}
