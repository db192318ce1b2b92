//! Changes as they come, and what happens when the API server goes, comes back, or has forgotten.

use std::sync::Mutex;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::stub::Reply;
use super::*;

/// A stub whose lists of pods and whose watches of them are the test's.
struct Live {
    stub: Stub,
    watches: Arc<Mutex<Vec<UnboundedSender<String>>>>,
    pods: Arc<Mutex<(u32, Vec<Value>)>>,
}

impl Live {
    async fn new(pods: Vec<Value>, refuse: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let (watches, pods): (Arc<Mutex<Vec<UnboundedSender<String>>>>, _) = (Arc::default(), Arc::new(Mutex::new((10, pods))));
        let (senders, listed) = (watches.clone(), pods.clone());
        let stub = Stub::new(move |path| match refuse(path) {
            Some(reply) => reply,
            None if !path.starts_with("/api/v1/pods?") && path.contains("watch") => Reply::quiet(),
            None if !path.starts_with("/api/v1/pods?") => Reply::json(&list("1", &[])),
            None if path.contains("watch=true") => {
                let (sender, receiver) = unbounded_channel();
                senders.lock().unwrap().push(sender);
                Reply::Live(receiver)
            }
            None => {
                let (version, pods) = &*listed.lock().unwrap();
                Reply::json(&list(&version.to_string(), pods))
            }
        })
        .await;
        Live { stub, watches, pods }
    }

    fn watches(&self) -> usize {
        self.watches.lock().unwrap().len()
    }

    fn send(&self, line: &str) {
        self.watches.lock().unwrap().last().unwrap().send(line.to_owned()).unwrap();
    }

    fn hang_up(&self) {
        let (sender, _) = unbounded_channel();
        *self.watches.lock().unwrap().last_mut().unwrap() = sender;
    }

    fn watched_from(&self) -> Vec<String> {
        let watches = self.stub.requests().into_iter().filter(|r| r.starts_with("/api/v1/pods?") && r.contains("watch=true"));
        watches.map(|r| r.split("resourceVersion=").nth(1).unwrap().to_owned()).collect()
    }
}

/// Proves that additions, changes and removals arrive, in pieces as the network likes, and that a watch that ends goes on from the last
/// version, a bookmark's included, without listing again.
#[tokio::test]
async fn a_watch_goes_on_where_it_ended() {
    let live = Live::new(vec![pod("u1", 5, "10.0.0.1", "")], |_| None).await;
    let follower = Follower::of(&live.stub);
    until("watch", || live.watches() == 1).await;
    until("list", || follower.label("u1", "version").as_deref() == Some("5")).await;
    let line = event("MODIFIED", &pod("u1", 11, "10.0.0.1", "")) + &event("ADDED", &pod("u2", 12, "10.0.0.2", ""));
    line.as_bytes().chunks(7).for_each(|piece| live.send(std::str::from_utf8(piece).unwrap()));
    until("change", || follower.label("u1", "version").as_deref() == Some("11")).await;
    until("addition", || follower.name_of("10.0.0.2") == "p/prod/pod-u2").await;
    live.send(&event("BOOKMARK", &json!({"kind": "Pod", "metadata": {"resourceVersion": "20", "creationTimestamp": null}})));
    tokio::time::sleep(Duration::from_millis(50)).await;
    live.hang_up();
    until("second watch", || live.watches() == 2).await;
    live.send(&event("DELETED", &pod("u2", 21, "10.0.0.2", "")));
    live.send(&event("MODIFIED", &pod("u1", 22, "10.0.0.2", "")));
    until("the address of the one that is gone", || follower.name_of("10.0.0.2") == "p/prod/pod-u1").await;
    assert_eq!(live.watched_from(), ["10", "20"]);
    assert_eq!(live.stub.count("/api/v1/pods?") - 2, 1, "{:?}", live.stub.requests());
    assert_eq!(follower.state(), KubernetesState::Connected);
}

/// Proves that a version that has become too old, said in either way, leads to a listing, and that what that lacks is gone.
#[tokio::test]
async fn too_old_a_version_leads_to_a_new_listing() {
    let live = Live::new(vec![pod("u1", 5, "10.0.0.1", ""), pod("u2", 5, "10.0.0.2", "")], |path| {
        path.contains("resourceVersion=30").then(|| Reply::refused(410, "too old"))
    })
    .await;
    let follower = Follower::of(&live.stub);
    until("list", || follower.name_of("10.0.0.2") == "p/prod/pod-u2" && live.watches() == 1).await;
    *live.pods.lock().unwrap() = (30, vec![pod("u1", 15, "10.0.0.2", "")]);
    live.send(&event("ERROR", &json!({"kind": "Status", "code": 410, "message": "too old resource version"})));
    until("new listing", || follower.label("u1", "version").as_deref() == Some("15")).await;
    // That one is too old at once; the next is not.
    until("refusal", || live.stub.count("resourceVersion=30") > 0).await;
    live.pods.lock().unwrap().0 = 40;
    until("third watch", || live.watched_from().contains(&"40".to_owned())).await;
    until("the address of the one that is gone", || follower.name_of("10.0.0.2") == "p/prod/pod-u1").await;
    follower.connected().await;
}

/// Proves that names are kept while the API server is gone, that the status says so and since when, and that it catches up.
#[tokio::test]
async fn what_is_known_is_kept_while_nobody_tells() {
    let answers = |version: u32| {
        move |path: &str| match path {
            _ if path.contains("watch=true") => Reply::quiet(),
            _ if path.starts_with("/api/v1/pods?") => Reply::json(&list("10", &[pod("u1", version, "10.0.0.1", "")])),
            _ => Reply::json(&list("10", &[])),
        }
    };
    let stub = Stub::new(answers(5)).await;
    let (address, url) = (stub.address(), stub.url());
    let follower = Follower::of(&stub);
    follower.connected().await;
    until("name", || follower.name_of("10.0.0.1") == "p/prod/pod-u1").await;
    assert!(follower.handle.status().url.starts_with(&url), "{:?}", follower.handle.status());
    drop(stub);
    follower.waiting("cannot watch pods").await;
    let status = follower.handle.status();
    assert!(crate::kernel::clock::unix_now() / 1_000_000_000 - status.since_unix_seconds < 10, "{status:?}");
    assert_eq!((follower.label("u1", "version").as_deref(), follower.name_of("10.0.0.1").as_str()), (Some("5"), "p/prod/pod-u1"));
    let back = Stub::at(address, move |path| match path {
        // It does not remember the version any more.
        _ if path.contains("resourceVersion=10") && !path.contains("services") => Reply::refused(410, "too old"),
        _ if path.contains("watch=true") => Reply::quiet(),
        _ if path.starts_with("/api/v1/pods?") => Reply::json(&list("50", &[pod("u1", 45, "10.0.0.1", "")])),
        _ => Reply::json(&list("50", &[])),
    })
    .await;
    until("what changed meanwhile", || follower.label("u1", "version").as_deref() == Some("45")).await;
    follower.connected().await;
    drop(back);
}

/// Proves that a connection on which nothing comes any more is found out, though nobody closes it.
#[tokio::test]
async fn a_server_that_fell_silent_is_noticed() {
    let dead = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_dead = dead.clone();
    let stub = Stub::new(move |path| match path {
        _ if is_dead.load(std::sync::atomic::Ordering::Relaxed) => Reply::Raw(b"".to_vec()),
        _ if path.contains("watch=true") => Reply::quiet(),
        "/version" => Reply::json(&json!({})),
        _ => Reply::json(&list("10", &[])),
    })
    .await;
    let follower = Follower::of(&stub);
    until("questions", || stub.count("/version") > 2).await;
    assert_eq!(follower.state(), KubernetesState::Connected);
    dead.store(true, std::sync::atomic::Ordering::Relaxed);
    follower.waiting("see whether the API server answers").await;
}
