//! What becomes of what an API server says, with one that says whatever a test wants.

mod addresses;
mod hostile;
mod names;
mod parsing;
mod resuming;
mod stub;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::pace::Pace;
use super::{Handle, KubernetesState, Settings, follow_at};
use crate::container::{Container, Inventory, Owner};
use stub::Stub;

/// Someone who follows a stub, impatiently.
struct Follower {
    inventory: Arc<Inventory>,
    handle: Handle,
    _end: DropGuard,
    _folder: tempfile::TempDir,
}

impl Follower {
    fn of(stub: &Stub) -> Self {
        Self::with(&stub.url(), |_| {})
    }

    fn with(url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_of(url)).unwrap();
        Self::reading(folder, kubeconfig, change)
    }

    fn reading(folder: tempfile::TempDir, kubeconfig: PathBuf, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { kubeconfig: Some(kubeconfig), node: Some("node1".to_owned()), ..Settings::default() };
        change(&mut settings);
        let [first, longest, refused, silence] = [10, 100, 100, 100].map(Duration::from_millis);
        let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
        for uid in ["u1", "u2"] {
            inventory.insert(container(uid));
        }
        let handle = follow_at(Pace { first, longest, refused, silence }, &inventory, &settings, &cancel);
        Follower { inventory, handle, _end: cancel.drop_guard(), _folder: folder }
    }

    fn container(&self, uid: &str) -> Container {
        let snapshot = self.inventory.snapshot();
        snapshot.running().find(|c| c.k8s.pod_uid == uid).expect(uid).clone()
    }

    fn owners(&self, uid: &str) -> Vec<Owner> {
        self.container(uid).k8s.owners
    }

    fn label(&self, uid: &str, key: &str) -> Option<String> {
        self.container(uid).k8s.pod_labels.get(key).cloned()
    }

    fn name_of(&self, address: &str) -> String {
        let directory = self.handle.addresses().directory();
        directory.text(directory.by_address(address.parse().unwrap()), super::AddressAttribute::Label).to_owned()
    }

    fn state(&self) -> KubernetesState {
        self.handle.status().state
    }

    /// The reason for which it waits.
    async fn waiting(&self, word: &str) -> String {
        until(word, || matches!(self.state(), KubernetesState::Waiting(why) if why.contains(word))).await;
        let KubernetesState::Waiting(why) = self.state() else { return String::new() };
        why
    }

    async fn connected(&self) {
        until("connection", || self.state() == KubernetesState::Connected).await;
    }
}

fn kubeconfig_of(url: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    })
    .to_string()
}

/// A container of the pod `uid`, as a runtime tells it.
fn container(uid: &str) -> Container {
    let mut c = Container::default();
    c.runtime.container_id = format!("c-{uid}");
    c.runtime.container_name = "main".to_owned();
    c.k8s.pod_uid = uid.to_owned();
    c.k8s.pod_name = format!("pod-{uid}");
    c
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < end, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A pod with an address and, if `owner` is given as `kind/name/uid`, a controller.
fn pod(uid: &str, version: u32, address: &str, owner: &str) -> Value {
    let mut pod = json!({
        "metadata": {
            "name": format!("pod-{uid}"), "namespace": "prod", "uid": uid, "resourceVersion": version.to_string(),
            "labels": {"version": version.to_string()}, "annotations": null,
        },
        "spec": {"nodeName": "node1", "containers": [{"name": "main", "env": [{"name": "A", "value": "B"}]}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "192.0.2.1"},
    });
    if let [kind, name, owner] = owner.split('/').collect::<Vec<_>>()[..] {
        let group = if kind == "Job" || kind == "CronJob" { "batch/v1" } else { "apps/v1" };
        let reference = json!({"apiVersion": group, "kind": kind, "name": name, "uid": owner, "controller": true});
        pod["metadata"]["ownerReferences"] = json!([reference]);
    }
    pod
}

fn controller(kind: &str, name: &str, uid: &str, owner: &str) -> Value {
    let mut object = pod(uid, 1, "", owner);
    object["kind"] = kind.into();
    object["metadata"]["name"] = name.into();
    object
}

fn list(version: &str, items: &[Value]) -> Value {
    json!({"kind": "List", "metadata": {"resourceVersion": version}, "items": items})
}

fn event(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string() + "\n"
}

fn owner(kind: &str, name: &str) -> Owner {
    Owner { kind: kind.to_owned(), name: name.to_owned() }
}
