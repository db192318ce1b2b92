//! The flags that choose containers. `run` and `list-containers` have the same.

use super::value;
use crate::container::{LabelTerms, Selector, Terms};

/// See the module.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Containers")]
pub struct SelectionFlags {
    /// Only containers with these names, the runtime's or that in the pod; !NAME excludes
    #[arg(short, long, value_name = "NAME,...", value_parser = value::terms, alias = "runtime-containername")]
    containername: Option<Terms>,
    /// Only containers of these pods; !NAME excludes
    #[arg(long, value_name = "NAME,...", value_parser = value::terms)]
    k8s_podname: Option<Terms>,
    /// Only containers in these Kubernetes namespaces; !NAME excludes
    #[arg(long, value_name = "NAME,...", value_parser = value::terms)]
    k8s_namespace: Option<Terms>,
    /// Only containers with these names in their pods; !NAME excludes
    #[arg(long, value_name = "NAME,...", value_parser = value::terms)]
    k8s_containername: Option<Terms>,
    /// Only containers of pods with these labels; !KEY=VALUE and KEY=!VALUE exclude
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = value::labels)]
    k8s_selector: Option<LabelTerms>,
    /// Only containers of images with these digests in their repository, of which the first 12 digits count; !DIGEST excludes
    #[arg(long, value_name = "DIGEST,...", value_parser = value::terms, visible_alias = "runtime-containerimage-digest")]
    containerimage_digest: Option<Terms>,
    /// Only containers of images with these ids, of which the first 12 digits count; !ID excludes
    #[arg(long, value_name = "ID,...", value_parser = value::terms, visible_alias = "runtime-containerimage-id")]
    containerimage_id: Option<Terms>,
}

impl SelectionFlags {
    /// The containers that are wanted, and whether the host is.
    pub fn selector(&self, host: bool) -> Selector {
        let terms = |terms: &Option<Terms>| terms.clone().unwrap_or_default();
        Selector {
            names: terms(&self.containername),
            k8s_names: terms(&self.k8s_containername),
            namespaces: terms(&self.k8s_namespace),
            pods: terms(&self.k8s_podname),
            labels: self.k8s_selector.clone().unwrap_or_default(),
            image_ids: terms(&self.containerimage_id),
            image_digests: terms(&self.containerimage_digest),
            host: Some(host),
            ..Selector::default()
        }
    }
}
