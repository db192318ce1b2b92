//! The section about the Kubernetes API server.

use super::*;
use crate::kubernetes::{Enabled, Scope, Settings};

fn settings(section: &str) -> Settings {
    load_text(&format!("{GOOD}kubernetes: {section}\n")).unwrap().kubernetes
}

fn complaint_about(section: &str) -> String {
    complaint(&format!("{GOOD}kubernetes: {section}\n"))
}

/// Proves the defaults, and that each key means what it says.
#[test]
fn keys_and_defaults() {
    assert_eq!(load_text(GOOD).unwrap().kubernetes, Settings::default());
    assert_eq!(settings("{enabled: auto}"), Settings::default());
    assert_eq!(settings("{enabled: false}").enabled, Enabled::No);
    assert_eq!(settings("{enabled: \"auto\"}").enabled, Enabled::Auto);
    let all = settings("{enabled: true, kubeconfig: /etc/kubeconfig, node: node1, addresses: cluster}");
    let kubeconfig = Some("/etc/kubeconfig".into());
    assert_eq!(all, Settings { enabled: Enabled::Yes, kubeconfig, node: Some("node1".to_owned()), addresses: Scope::Cluster });
    assert!(all.wanted() && !settings("{enabled: false, kubeconfig: /etc/kubeconfig}").wanted());
    assert!(settings("{kubeconfig: /etc/kubeconfig}").wanted());
}

/// Proves that what cannot be meant is said with its place.
#[test]
fn wrong_values() {
    assert_eq!(complaint_about("{enable: true}"), "11:14: unknown key \"enable\" in kubernetes [enabled]");
    assert_eq!(complaint_about("{enabled: yess}"), "11:23: kubernetes.enabled must be one of auto, true, false, not the text \"yess\"");
    assert_eq!(
        complaint_about("{addresses: nod}"),
        "11:25: kubernetes.addresses must be one of node, cluster, not the text \"nod\" [node]"
    );
    assert_eq!(complaint_about("{node: ''}"), "11:20: kubernetes.node must not be empty, not the text \"\"");
    let path = complaint_about("{kubeconfig: config}");
    assert!(path.starts_with("11:26: kubernetes.kubeconfig must be an absolute path"), "{path}");
}
