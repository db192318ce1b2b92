//! Answers that no API server gives: each is bounded, told, and survived.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::stub::Reply;
use super::*;

/// A stub that is bad to whoever lists pods, `times` times, and then good.
async fn at_first(times: usize, bad: impl Fn() -> Reply + Send + Sync + 'static) -> Stub {
    let seen = AtomicUsize::new(0);
    Stub::new(move |path| match path {
        _ if path.contains("watch=true") => Reply::quiet(),
        _ if path.starts_with("/api/v1/pods?") && seen.fetch_add(1, Ordering::Relaxed) < times => bad(),
        _ if path.starts_with("/api/v1/pods?") => Reply::json(&list("10", &[pod("u1", 5, "10.0.0.1", "")])),
        _ => Reply::json(&list("10", &[])),
    })
    .await
}

async fn survives(bad: impl Fn() -> Reply + Send + Sync + 'static, word: &str) {
    // Often enough for the reason to be seen.
    let stub = at_first(8, bad).await;
    let follower = Follower::of(&stub);
    follower.waiting(word).await;
    until(word, || follower.label("u1", "version").as_deref() == Some("5")).await;
    follower.connected().await;
}

/// Proves for lists of every bad kind that the reason is told and that a good one later is taken.
#[tokio::test]
async fn bad_lists() {
    survives(|| Reply::Whole(200, "<html>".to_owned()), "the answer makes no sense").await;
    survives(|| Reply::json(&json!({"items": [{"metadata": {"labels": 7}}]})), "the answer makes no sense").await;
    survives(|| Reply::json(&json!([])), "the answer makes no sense").await;
    survives(|| Reply::json(&json!({"metadata": {}, "items": []})), "it is not a list").await;
    survives(|| Reply::json(&json!({"kind": "Pod"})), "the answer makes no sense").await;
    survives(|| Reply::Whole(200, "[".repeat(100_000)), "the answer makes no sense").await;
    survives(|| Reply::Whole(500, "no\n\nidea".to_owned()), "cannot list pods: no idea (status 500)").await;
    survives(|| Reply::refused(403, "pods is forbidden"), "pods is forbidden (status 403)").await;
    survives(|| Reply::refused(401, ""), "(status 401)").await;
    survives(|| Reply::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec()), "cannot list pods").await;
    survives(|| Reply::Broken(vec!["{\"items\": [".to_owned()]), "cannot list pods").await;
    survives(|| Reply::Whole(302, String::new()), "(status 302)").await;
}

/// Proves that an answer without end is given up at the limit, as is a refusal without end.
#[tokio::test]
async fn endless_answers() {
    let piece = "x".repeat(1 << 20);
    let (list, refusal) = (piece.clone(), piece);
    survives(move || Reply::Endless("\"".to_owned(), list.clone()), "the answer is longer than").await;
    let head = "HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n100000\r\n".to_owned() + &refusal;
    survives(move || Reply::Raw(head.clone().into_bytes()), "(status 503)").await;
}

/// Proves that pages without end are given up.
#[tokio::test]
async fn endless_pages() {
    let mut page = list("10", &[]);
    page["metadata"]["continue"] = "again".into();
    let served = AtomicUsize::new(0);
    let stub = Stub::new(move |path| match path {
        _ if path.contains("watch=true") => Reply::quiet(),
        _ if path.starts_with("/api/v1/services?") && served.fetch_add(1, Ordering::Relaxed) < 1000 => Reply::json(&page),
        _ => Reply::json(&list("10", &[])),
    })
    .await;
    let follower = Follower::of(&stub);
    until("problem", || follower.handle.status().problems.iter().any(|p| p.contains("more than 1000 pages"))).await;
    until("no problem", || follower.handle.status().problems.is_empty()).await;
    follower.connected().await;
}

/// Proves for watches of every bad kind that what is known stays, that the reason is told, and that it goes on.
#[tokio::test]
async fn bad_watches() {
    let huge = "x".repeat(1 << 20);
    let cases: Vec<(Reply, &str)> = vec![
        (Reply::Whole(200, "what?\n".to_owned()), "the answer makes no sense"),
        (Reply::Whole(200, event("REPLACED", &pod("u1", 6, "", ""))), "the answer makes no sense"),
        (Reply::Whole(200, event("ERROR", &json!({"code": 500, "message": "etcd is tired"}))), "etcd is tired"),
        (Reply::Endless("\"".to_owned(), huge), "longer than 8388608 bytes"),
        (Reply::Broken(vec![event("ADDED", &pod("u2", 6, "10.0.0.2", "")), "{\"ty".to_owned()]), "cannot watch pods"),
        (Reply::refused(403, "watching is forbidden"), "watching is forbidden"),
    ];
    for (bad, word) in cases {
        let bad = std::sync::Mutex::new(Some(bad));
        let seen = AtomicUsize::new(0);
        let stub = Stub::new(move |path| match path {
            _ if path.contains("services") => Reply::json(&list("10", &[])),
            _ if path.contains("watch=true") && seen.fetch_add(1, Ordering::Relaxed) == 0 => bad.lock().unwrap().take().unwrap(),
            // A while of nothing, so that the reason can be seen.
            _ if path.contains("watch=true") && seen.load(Ordering::Relaxed) < 20 => Reply::refused(503, "not yet"),
            _ if path.contains("watch=true") => Reply::quiet(),
            _ => Reply::json(&list("10", &[pod("u1", 5, "10.0.0.1", "")])),
        })
        .await;
        let reasons = Arc::new(std::sync::Mutex::new(Vec::new()));
        let follower = Follower::of(&stub);
        until(word, || {
            if let KubernetesState::Waiting(why) = follower.state() {
                reasons.lock().unwrap().push(why);
            }
            reasons.lock().unwrap().iter().any(|why| why.contains(word))
        })
        .await;
        assert_eq!(follower.label("u1", "version").as_deref(), Some("5"), "{word}");
        follower.connected().await;
    }
}

/// Proves that a refusal of services costs their names only, is told once, and is over when it is.
#[tokio::test]
async fn services_that_may_not_be_read() {
    let seen = AtomicUsize::new(0);
    let stub = Stub::new(move |path| match path {
        _ if path.contains("watch=true") => Reply::quiet(),
        _ if path.starts_with("/api/v1/services?") && seen.fetch_add(1, Ordering::Relaxed) < 4 => {
            Reply::refused(403, "services is forbidden")
        }
        _ => Reply::json(&list("10", &[])),
    })
    .await;
    let follower = Follower::of(&stub);
    until("problem", || follower.handle.status().problems == ["cannot list services: services is forbidden (status 403)"]).await;
    follower.connected().await;
    until("no problem", || follower.handle.status().problems.is_empty()).await;
}

/// Proves that a kubeconfig that cannot be used is told, and read again: it may come later.
#[tokio::test]
async fn kubeconfigs() {
    let stub = at_first(0, || Reply::Silence).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later");
    let follower = Follower::reading(folder, path.clone(), |_| {});
    follower.waiting("No such file").await;
    for (text, word) in [
        ("\u{0}", "cannot use kubeconfig"),
        ("{}", "cannot use kubeconfig"),
        ("apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n", "nowhere"),
        (&kubeconfig_of("not a url at all"), "cannot use kubeconfig"),
        (&"# long\n".repeat(200_000), "at most 1048576 bytes"),
    ] {
        std::fs::write(&path, text).unwrap();
        follower.waiting(word).await;
    }
    std::fs::write(&path, kubeconfig_of(&stub.url())).unwrap();
    follower.connected().await;
}
