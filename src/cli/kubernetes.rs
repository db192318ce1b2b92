//! The flags that say whether and how the Kubernetes API server is asked.

use std::path::PathBuf;

use clap::ValueHint;

use super::value::{self, Boolean};
use crate::kubernetes::{Enabled, Settings};

/// See the module.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Runtimes")]
pub struct KubernetesFlags {
    /// Ask the Kubernetes API server for pods, their owners and services; this node is $NODE_NAME or else the host's name
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = value::boolean, hide_default_value = true, hide_possible_values = true, value_name = "BOOL")]
    enrich_with_k8s_apiserver: Boolean,
    /// How the API server is reached [default: as the pod's service account]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    kubeconfig: Option<PathBuf>,
}

impl KubernetesFlags {
    /// What the flags ask for. As upstream, a kubeconfig alone asks for nothing.
    pub fn settings(&self) -> Settings {
        let enabled = if self.enrich_with_k8s_apiserver { Enabled::Yes } else { Enabled::No };
        let kubeconfig = self.kubeconfig.clone().filter(|path| !path.as_os_str().is_empty());
        Settings { enabled, kubeconfig, ..Settings::default() }
    }
}
