//! Whether and how the API server is asked.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a pod finds the token of its service account.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether it is asked at all.
    pub enabled: Enabled,
    /// The file that says where it is and who we are; `None`: the service account of the pod we run in.
    pub kubeconfig: Option<PathBuf>,
    /// Name of this node; `None`: what `NODE_NAME` says, else the name of the host.
    pub node: Option<String>,
    /// Whose addresses are wanted.
    pub addresses: Scope,
}

/// Whether the API server is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Enabled {
    /// In a cluster, or when a kubeconfig is given.
    #[default]
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// Of which pods the addresses are wanted. Those of services always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Those of this node.
    #[default]
    Node,
    /// All of the cluster: every pod's every change is sent to this node.
    Cluster,
}

impl Settings {
    /// Whether the API server is to be asked.
    pub fn wanted(&self) -> bool {
        match self.enabled {
            Enabled::Yes => true,
            Enabled::No => false,
            Enabled::Auto => self.kubeconfig.is_some() || in_cluster(),
        }
    }

    /// Name of this node. The kubelet takes the host's name in lower case when nobody gives it one.
    pub fn node_name(&self) -> String {
        let variable = || std::env::var("NODE_NAME").ok();
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_lowercase());
        let given = self.node.clone().filter(|name| !name.is_empty());
        given.or_else(|| variable().filter(|name| !name.is_empty())).or_else(host).unwrap_or_default()
    }
}

/// Whether this process runs in a pod with a service account.
fn in_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty()) && Path::new(SERVICE_ACCOUNT_TOKEN).exists()
}
