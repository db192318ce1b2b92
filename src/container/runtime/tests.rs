//! What every client shares: bounds, sockets, one-line reasons.

use std::path::{Path, PathBuf};

use super::{CONTAINERD, DOCKER, Protocol, bounds, reason};

/// Labels and texts are cut to their limits whatever they hold, and the same labels are kept in whatever order they come.
#[test]
fn texts_and_labels_are_bounded() {
    let label = |i: usize| (format!("k{i:04}"), "v".to_owned());
    let big = ("a".to_owned(), "x".repeat(9999));
    let forwards = bounds::labels((0..1000).map(label).chain([big.clone()]));
    let backwards = bounds::labels([big].into_iter().chain((0..1000).rev().map(label)));
    assert_eq!(forwards, backwards);
    assert_eq!((forwards.len(), forwards.last_key_value().unwrap().0.as_str()), (256, "k0255"));
    assert_eq!(bounds::labels([("a", "1"), ("a", "2")]).get("a").map(String::as_str), Some("2"));
    assert_eq!(bounds::text(&"\u{e9}".repeat(5000)).len(), 4096);
    assert_eq!(bounds::prefix("h\u{e9}", 2), "h");
}

/// Ids of engines and of containerd's users pass, paths and nonsense do not.
#[test]
fn ids() {
    for (id, good) in [
        ("0123456789abcdef", true),
        ("my-app_1.x", true),
        ("", false),
        ("../x", false),
        (".a", false),
        ("a/b", false),
        ("a b", false),
        ("a-", false),
        ("\u{e9}", false),
    ] {
        assert_eq!(bounds::is_id(id), good, "{id}");
    }
    assert!(!bounds::is_id(&"a".repeat(129)));
}

/// A configured socket wins; without one and without the variable it is the usual one of the protocol.
#[test]
fn sockets() {
    assert_eq!(CONTAINERD.socket_path(Some(Path::new("/x.sock")), Protocol::Internal), PathBuf::from("/x.sock"));
    for (daemon, protocol, usual) in [
        (DOCKER, Protocol::Internal, "/run/docker.sock"),
        (DOCKER, Protocol::Cri, "/run/cri-dockerd.sock"),
        (CONTAINERD, Protocol::Cri, "/run/containerd/containerd.sock"),
    ] {
        if std::env::var_os(daemon.variable).is_none() {
            assert_eq!(daemon.socket_path(None, protocol), PathBuf::from(usual));
        }
    }
}

/// A reason is one line of bounded length that ends with the innermost cause.
#[test]
fn reasons() {
    #[derive(Debug, thiserror::Error)]
    #[error("open")]
    struct Outer(#[source] std::io::Error);
    let error = Outer(std::io::Error::other(format!("no\n{}", "x".repeat(1000))));
    let line = reason::one_line(&error);
    assert!(line.starts_with("open: nox") && line.chars().count() == 400, "{line}");
}
