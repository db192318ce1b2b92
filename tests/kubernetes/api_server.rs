//! A real API server without nodes: pods that are made by hand, owners, services, refusals, and its end and return.

use gadgetry::container::Inventory;
use gadgetry::kubernetes::{self, Handle, Scope, Settings};
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::control_plane::ControlPlane;
use crate::{container, is_connected, is_waiting, name_of, owners, start_container, until};

struct Following {
    inventory: Arc<Inventory>,
    handle: Handle,
    _end: DropGuard,
}

fn follow(settings: &Settings) -> Following {
    let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
    let handle = kubernetes::follow(&inventory, settings, &cancel);
    Following { inventory, handle, _end: cancel.drop_guard() }
}

/// One test, because each API server costs time: see the module.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_api_server() {
    let Some(mut plane) = ControlPlane::start("a_real_api_server").await else { return };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}});
    plane.post("/api/v1/namespaces", namespace).await;
    workloads(&plane).await;
    let following = changes(&plane).await;
    refusals(&plane).await;
    outage(&mut plane, following).await;
}

/// Every workload of Kubernetes is found from its pods up, and only pods of this node are told.
async fn workloads(plane: &ControlPlane) {
    let deployment = plane.controller("apps/v1", "Deployment", "shop", None).await;
    let replicas = plane.controller("apps/v1", "ReplicaSet", "shop-5d4", Some(&deployment)).await;
    let bare = plane.controller("apps/v1", "ReplicaSet", "bare", None).await;
    let stateful = plane.controller("apps/v1", "StatefulSet", "db", None).await;
    let daemons = plane.controller("apps/v1", "DaemonSet", "agent", None).await;
    let cron = plane.controller("batch/v1beta1", "CronJob", "tick", None).await;
    let job = plane.controller("batch/v1", "Job", "tick-1", Some(&cron)).await;
    let replication = plane.controller("v1", "ReplicationController", "old", None).await;
    let all = [
        ("shop-pod", Some(&replicas), vec!["ReplicaSet/shop-5d4", "Deployment/shop"]),
        ("bare-pod", Some(&bare), vec!["ReplicaSet/bare"]),
        ("db-0", Some(&stateful), vec!["StatefulSet/db"]),
        ("agent-pod", Some(&daemons), vec!["DaemonSet/agent"]),
        ("tick-pod", Some(&job), vec!["Job/tick-1", "CronJob/tick"]),
        ("old-pod", Some(&replication), vec!["ReplicationController/old"]),
        ("alone", None, vec![]),
    ];
    let following = follow(&plane.settings("admintoken"));
    for (number, (pod, owner, expected)) in all.iter().enumerate() {
        let address = format!("10.0.1.{number}");
        let uid = plane.pod(pod, "node1", &address, json!({"app": pod}), *owner).await;
        // Every other pod is told before its container is there.
        if number % 2 == 0 {
            until("pod", 5, || name_of(&following.handle, &address) == format!("p/default/{pod}")).await;
        }
        start_container(&following.inventory, &uid);
        until(pod, 5, || owners(&following.inventory, &uid) == *expected).await;
        until("labels", 5, || container(&following.inventory, &uid).k8s.pod_labels.len() == 1).await;
    }
    let far = plane.pod("far", "node2", "10.0.2.1", json!({}), None).await;
    start_container(&following.inventory, &far);
    let handle = &following.handle;
    until("address", 5, || name_of(handle, "10.0.1.6") == "p/default/alone").await;
    assert_eq!((name_of(handle, "10.0.2.1"), container(&following.inventory, &far).k8s.pod_ip), ("r/".to_owned(), String::new()));
    let cluster = follow(&Settings { addresses: Scope::Cluster, ..plane.settings("admintoken") });
    until("address of another node", 5, || name_of(&cluster.handle, "10.0.2.1") == "p/default/far").await;
    assert!(handle.status().problems.is_empty() && is_connected(handle), "{:?}", handle.status());
}

/// Services and pods come, change and go, each within a moment.
async fn changes(plane: &ControlPlane) -> Following {
    let following = follow(&plane.settings("admintoken"));
    let handle = &following.handle;
    until("connection", 5, || is_connected(handle)).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "labels": {"team": "blue"}},
        "spec": {"clusterIP": "10.96.1.1", "selector": {"app": "shop"}, "ports": [{"port": 80}]},
    });
    plane.post("/api/v1/namespaces/other/services", service).await;
    let took = until("service", 5, || name_of(handle, "10.96.1.1") == "s/other/front").await;
    println!("a service is known after {took:?}");
    until("the API server's own service", 5, || name_of(handle, "10.96.0.1") == "s/default/kubernetes").await;

    let uid = plane.pod("changing", "node1", "10.0.3.1", json!({"color": "red"}), None).await;
    start_container(&following.inventory, &uid);
    let patch = json!({"metadata": {"labels": {"color": "green"}, "annotations": {"resource.opentelemetry.io/service.name": "named"}}});
    plane.send("PATCH", "/api/v1/namespaces/default/pods/changing", &patch).await;
    let color = || container(&following.inventory, &uid).k8s.pod_labels.get("color").cloned();
    until("changed label", 5, || color().as_deref() == Some("green")).await;
    assert!(container(&following.inventory, &uid).k8s.pod_annotations.contains_key("resource.opentelemetry.io/service.name"));
    until("address", 5, || name_of(handle, "10.0.3.1") == "p/default/changing").await;
    plane.delete("/api/v1/namespaces/default/pods/changing").await;
    plane.delete("/api/v1/namespaces/other/services/front").await;
    // Events come late: what is gone names them for a while.
    assert_eq!(name_of(handle, "10.0.3.1"), "p/default/changing");
    until("end of the grace", 25, || name_of(handle, "10.0.3.1") == "r/" && name_of(handle, "10.96.1.1") == "r/").await;
    assert_eq!(color().as_deref(), Some("green"), "a container lost the names of its pod");
    following
}

/// Without permissions it says which are missing, does what it can, and goes on when they are given.
async fn refusals(plane: &ControlPlane) {
    let plain = follow(&plane.settings("plaintoken"));
    until("refusal", 5, || is_waiting(&plain.handle, "pods is forbidden: User \"plain\" cannot list resource \"pods\"")).await;
    let stranger = follow(&plane.settings("nobodystoken"));
    until("refusal", 5, || is_waiting(&stranger.handle, "status 401")).await;

    plane.allow("watch-pods", "limited", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch", "get"]}])).await;
    let limited = follow(&plane.settings("limitedtoken"));
    until("connection", 5, || is_connected(&limited.handle)).await;
    let deployment = plane.controller("apps/v1", "Deployment", "cart", None).await;
    let replicas = plane.controller("apps/v1", "ReplicaSet", "cart-77", Some(&deployment)).await;
    let uid = plane.pod("cart-77-x", "node1", "10.0.4.1", json!({"pod-template-hash": "77"}), Some(&replicas)).await;
    start_container(&limited.inventory, &uid);
    until("conclusion", 5, || owners(&limited.inventory, &uid) == ["ReplicaSet/cart-77", "Deployment/cart"]).await;
    let problems = || limited.handle.status().problems;
    let says = |word: &str| problems().iter().any(|problem| problem.contains(word));
    until("problems", 5, || says("cannot get resource \"replicasets\" in API group \"apps\"") && says("services is forbidden")).await;

    plane.allow("watch-all", "plain", json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])).await;
    let took = until("connection once it is allowed", 40, || is_connected(&plain.handle)).await;
    println!("a permission is noticed after {took:?}");
    until("services", 40, || name_of(&plain.handle, "10.96.0.1") == "s/default/kubernetes").await;
}

/// What is known stays known while the API server is dead, and the status says so; then everything goes on.
async fn outage(plane: &mut ControlPlane, following: Following) {
    let handle = &following.handle;
    let uid = plane.pod("survivor", "node1", "10.0.5.1", json!({"color": "red"}), None).await;
    start_container(&following.inventory, &uid);
    let color = || container(&following.inventory, &uid).k8s.pod_labels.get("color").cloned();
    until("label", 5, || color().as_deref() == Some("red") && name_of(handle, "10.0.5.1") == "p/default/survivor").await;
    plane.kill_api_server();
    let took = until("status", 5, || is_waiting(handle, "Connection refused")).await;
    println!("the death of the API server is told after {took:?}: {}", handle.status());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!((color().as_deref(), name_of(handle, "10.0.5.1").as_str()), (Some("red"), "p/default/survivor"));
    assert_eq!(name_of(handle, "10.96.0.1"), "s/default/kubernetes");
    plane.start_api_server().await;
    plane.send("PATCH", "/api/v1/namespaces/default/pods/survivor", &json!({"metadata": {"labels": {"color": "blue"}}})).await;
    until("what changed meanwhile", 30, || color().as_deref() == Some("blue") && is_connected(handle)).await;
}
