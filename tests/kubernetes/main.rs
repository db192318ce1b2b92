//! A real API server (and, in `node.rs`, a whole node): what it knows of pods, owners and services is what we know of them.
//! Says why it does nothing where the binaries are not in the cache of `tests/support/install.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod api_server;
mod collector;
mod control_plane;
mod node;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use gadgetry::container::{Container, Inventory, Owner};
use gadgetry::kubernetes::{AddressAttribute, Handle, KubernetesState};

async fn until(what: &str, seconds: u64, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

/// Puts a container of the pod into the inventory, as a runtime would.
fn start_container(inventory: &Inventory, uid: &str) {
    let mut c = Container::default();
    c.runtime.container_id = format!("c-{uid}");
    c.runtime.container_name = "main".to_owned();
    (c.k8s.pod_uid, c.k8s.pod_name) = (uid.to_owned(), "pod".to_owned());
    inventory.insert(c);
}

fn container(inventory: &Inventory, uid: &str) -> Container {
    let snapshot = inventory.snapshot();
    snapshot.running().find(|c| c.k8s.pod_uid == uid).expect(uid).clone()
}

/// `Deployment/web`, the direct owner first.
fn owners(inventory: &Inventory, uid: &str) -> Vec<String> {
    let name = |owner: &Owner| format!("{}/{}", owner.kind, owner.name);
    container(inventory, uid).k8s.owners.iter().map(name).collect()
}

fn name_of(handle: &Handle, address: &str) -> String {
    let directory = handle.addresses().directory();
    directory.text(directory.by_address(address.parse().unwrap()), AddressAttribute::Label).to_owned()
}

fn is_connected(handle: &Handle) -> bool {
    handle.status().state == KubernetesState::Connected
}

fn is_waiting(handle: &Handle, word: &str) -> bool {
    matches!(handle.status().state, KubernetesState::Waiting(why) if why.contains(word))
}
