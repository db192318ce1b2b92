//! Pods, owners, services: what the objects say is what the inventory and the addresses say.

use super::stub::Reply;
use super::*;
use crate::kubernetes::Scope;

fn service(uid: &str, address: &str) -> Value {
    json!({"metadata": {"name": format!("svc-{uid}"), "namespace": "prod", "uid": uid},
           "spec": {"clusterIP": address, "clusterIPs": [address, "fd00::7"], "selector": {"app": "web"}}})
}

/// Answers lists with these objects, watches with silence, and everything else with `others`.
async fn cluster(pods: Vec<Value>, services: Vec<Value>, others: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Stub {
    Stub::new(move |path| match path {
        _ if path.contains("watch=true") => Reply::quiet(),
        _ if path.starts_with("/api/v1/pods?") => Reply::json(&list("10", &pods)),
        _ if path.starts_with("/api/v1/services?") => Reply::json(&list("10", &services)),
        _ => others(path),
    })
    .await
}

/// Proves that a pod's containers get its labels, its address and its owners up to the Deployment, each of which is asked for once.
#[tokio::test]
async fn owners_are_climbed_and_asked_for_once() {
    let pods = vec![pod("u1", 1, "10.0.0.1", "ReplicaSet/web-5d4/r1"), pod("u2", 1, "10.0.0.2", "ReplicaSet/web-5d4/r1")];
    let stub = cluster(pods, Vec::new(), |path| match path {
        "/apis/apps/v1/namespaces/prod/replicasets/web-5d4" => Reply::json(&controller("ReplicaSet", "web-5d4", "r1", "Deployment/web/d1")),
        "/apis/apps/v1/namespaces/prod/deployments/web" => Reply::json(&controller("Deployment", "web", "d1", "")),
        _ => Reply::refused(404, "no such thing"),
    })
    .await;
    let follower = Follower::of(&stub);
    let expected = [owner("ReplicaSet", "web-5d4"), owner("Deployment", "web")];
    for uid in ["u1", "u2"] {
        until(uid, || follower.owners(uid) == expected).await;
    }
    assert_eq!((stub.count("/replicasets/"), stub.count("/deployments/")), (1, 1));
    let k8s = follower.container("u1").k8s;
    assert_eq!((k8s.pod_ip.as_str(), k8s.pod_labels["version"].as_str()), ("10.0.0.1", "1"));
    assert!(stub.requests().iter().any(|r| r.contains("fieldSelector=spec.nodeName%3Dnode1") && r.contains("resourceVersion=0")));
    assert!(follower.handle.status().problems.is_empty(), "{:?}", follower.handle.status());
}

/// Proves that a refusal leaves what the pod itself says and is told, and that the rest comes once it is allowed.
#[tokio::test]
async fn owners_that_may_not_be_read_are_concluded_and_asked_for_again() {
    let mut first = pod("u1", 1, "10.0.0.1", "ReplicaSet/web-5d4/r1");
    first["metadata"]["labels"]["pod-template-hash"] = "5d4".into();
    let second = pod("u2", 1, "10.0.0.2", "ReplicaSet/odd/r2");
    let allowed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_allowed = allowed.clone();
    let stub = cluster(vec![first, second], Vec::new(), move |path| match path {
        _ if !is_allowed.load(std::sync::atomic::Ordering::Relaxed) => Reply::refused(403, "replicasets is forbidden"),
        _ if path.ends_with("/odd") => Reply::json(&controller("ReplicaSet", "odd", "r2", "Deployment/strange/d2")),
        _ => Reply::refused(404, "no such thing"),
    })
    .await;
    let follower = Follower::of(&stub);
    let problems = || follower.handle.status().problems;
    until("problem", || problems().iter().any(|p| p.contains("cannot get replicasets: replicasets is forbidden (status 403)"))).await;
    until("conclusion", || follower.owners("u1") == [owner("ReplicaSet", "web-5d4"), owner("Deployment", "web")]).await;
    until("what the pod says", || follower.owners("u2") == [owner("ReplicaSet", "odd")]).await;
    follower.connected().await;
    allowed.store(true, std::sync::atomic::Ordering::Relaxed);
    until("the real owner", || follower.owners("u2") == [owner("ReplicaSet", "odd"), owner("Deployment", "strange")]).await;
    until("no problem", || problems().is_empty()).await;
}

/// Proves that only workloads of Kubernetes itself are owners, that a namesake of another time is none, and that cycles end.
#[tokio::test]
async fn strange_owners() {
    let mut volcano = pod("u1", 1, "10.0.0.1", "Job/batch/j1");
    volcano["metadata"]["ownerReferences"][0]["apiVersion"] = "batch.volcano.sh/v1".into();
    let cyclic = pod("u2", 1, "10.0.0.2", "Job/a/j2");
    let stub = cluster(vec![volcano, cyclic], Vec::new(), |path| match path {
        "/apis/batch/v1/namespaces/prod/jobs/a" => Reply::json(&controller("Job", "a", "j2", "Job/a/j2")),
        _ => Reply::refused(404, "no such thing"),
    })
    .await;
    let follower = Follower::of(&stub);
    until("end of the cycle", || follower.owners("u2").len() == 8).await;
    assert_eq!((stub.count("volcano"), follower.owners("u1").len()), (0, 0));

    let namesake = cluster(vec![pod("u1", 1, "", "Job/tick/old")], Vec::new(), |path| match path {
        "/apis/batch/v1/namespaces/prod/jobs/tick" => Reply::json(&controller("Job", "tick", "new", "CronJob/other/c1")),
        _ => Reply::refused(404, "no such thing"),
    })
    .await;
    let follower = Follower::of(&namesake);
    until("request", || namesake.count("/jobs/tick") == 1).await;
    until("owner", || follower.owners("u1") == [owner("Job", "tick")]).await;
}

/// Proves whose an address is: pods of their own network and services; not the host's, nor those of pods that have ended.
#[tokio::test]
async fn addresses_have_names() {
    let mut host = pod("h1", 1, "192.0.2.1", "");
    host["spec"]["hostNetwork"] = true.into();
    let mut ended = pod("e1", 1, "10.0.0.9", "");
    ended["status"]["phase"] = "Succeeded".into();
    let services = vec![service("s1", "10.96.0.7"), service("s2", "None")];
    let stub = cluster(vec![pod("u1", 1, "10.0.0.1", ""), host, ended], services, |_| Reply::refused(404, "")).await;
    let follower = Follower::of(&stub);
    until("service", || follower.name_of("10.96.0.7") == "s/prod/svc-s1").await;
    until("pod", || follower.name_of("10.0.0.1") == "p/prod/pod-u1").await;
    let others = ["192.0.2.1", "10.0.0.9", "8.8.8.8"].map(|address| follower.name_of(address));
    assert_eq!(others, ["", "r/", "r/"]);
    assert_eq!(stub.count("/api/v1/pods?limit"), 0, "all pods are listed though nobody wants them");
}

/// Proves that the addresses of the whole cluster come when they are wanted, page by page.
#[tokio::test]
async fn pods_of_the_cluster() {
    let stub = Stub::new(|path| match path {
        _ if path.contains("watch=true") => Reply::quiet(),
        _ if path.contains("fieldSelector") => Reply::json(&list("10", &[pod("u1", 1, "10.0.0.1", "")])),
        _ if path.starts_with("/api/v1/pods?") && path.contains("continue=more%2F") => {
            Reply::json(&list("10", &[pod("far", 1, "10.1.0.1", "")]))
        }
        _ if path.starts_with("/api/v1/pods?") => {
            let mut page = list("10", &[pod("u1", 1, "10.0.0.1", "")]);
            page["metadata"]["continue"] = "more/".into();
            Reply::json(&page)
        }
        _ => Reply::json(&list("10", &[])),
    })
    .await;
    let follower = Follower::with(&stub.url(), |settings| settings.addresses = Scope::Cluster);
    until("far pod", || follower.name_of("10.1.0.1") == "p/prod/pod-far" && follower.name_of("10.0.0.1") == "p/prod/pod-u1").await;
}

/// Proves that a pod from a file of the kubelet's is found under the uid that its containers have.
#[tokio::test]
async fn mirror_pods_are_those_of_the_kubelet() {
    let mut mirror = pod("api-uid", 1, "", "");
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "u1"});
    let stub = cluster(vec![mirror], Vec::new(), |_| Reply::refused(404, "")).await;
    let follower = Follower::of(&stub);
    until("labels", || follower.label("u1", "version").is_some()).await;
}
