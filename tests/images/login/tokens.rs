//! Registries that send to a token server.

use gadgetry::image::auth::{Credentials, Secret};
use gadgetry::image::registry::check::{How, check};

use super::server::{self, IDENTITY, Server, TOKEN};
use super::{login, refused, succeeds};
use crate::harness::{Gadgetry, PASSWORD, USER};

fn asks(server: &Server, credentials: &Credentials) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let how = How { plain: true, ..How::default() };
    runtime.block_on(check(&server.host, credentials, how)).map_err(|error| error.to_string())
}

/// User and password are exchanged for a token, whatever the answer calls it; the wrong ones are refused.
#[test]
fn exchanged() {
    let gadgetry = Gadgetry::new();
    for behaviour in ["bearer", "access"] {
        let server = Server::start(behaviour);
        refused(&login(&gadgetry, &server.host, USER, "wrong", &["--plain-http"]), "does not take this user and password");
        succeeds(&login(&gadgetry, &server.host, USER, PASSWORD, &["--plain-http"]));
        let seen = server.seen.lock().unwrap().join("\n");
        assert!(seen.contains("GET /token?own=1&service=the+service&account=alice&client_id=gadgetry"), "{seen}");
    }
}

/// An identity token is exchanged by the refresh grant; a registry token is sent as it is.
#[test]
fn identity_and_registry_tokens() {
    let server = Server::start("bearer");
    assert_eq!(asks(&server, &Credentials::Identity(Secret::new(IDENTITY))), Ok(()));
    assert!(asks(&server, &Credentials::Identity(Secret::new("old"))).unwrap_err().contains("does not take"));
    assert_eq!(asks(&server, &Credentials::Bearer(Secret::new(TOKEN))), Ok(()));
    assert!(asks(&server, &Credentials::Bearer(Secret::new("old"))).unwrap_err().contains("does not take"));
    assert!(asks(&server, &Credentials::Anonymous).unwrap_err().contains("does not take"));
    let seen = server.seen.lock().unwrap().join("\n");
    assert!(
        seen.contains("POST /token?own=1 grant_type=refresh_token&client_id=gadgetry&refresh_token=identity-t0ken&service=the+service"),
        "{seen}"
    );
}

/// A token server that must not be told a password is told nothing.
#[test]
fn realms() {
    let gadgetry = Gadgetry::new();
    for (behaviour, words) in [("ftp", "neither https nor http"), ("user", "has a user in it"), ("none", "its address is missing")] {
        let server = Server::start(behaviour);
        refused(&login(&gadgetry, &server.host, USER, PASSWORD, &["--plain-http"]), words);
        assert_eq!(server.seen.lock().unwrap().len(), 1, "only the registry was asked");
    }
    let folder = tempfile::tempdir().unwrap();
    crate::harness::certificates(folder.path());
    let tokens = Server::start("bearer");
    let end = format!("auth:\n  token: {{realm: \"http://{}/token\", service: s, issuer: i, rootcertbundle: DIR/ca.crt}}\n", tokens.host);
    let (_registry, host) = server::docker_registry(folder.path(), "", &end);
    refused(&login(&gadgetry, &host, USER, PASSWORD, &["--tls-verify=false"]), "without TLS, unlike the registry");
    assert!(tokens.seen.lock().unwrap().is_empty());
}

/// Answers that are no token: too long, none, an error, a way elsewhere, an endless registry.
#[test]
fn strange_answers() {
    let gadgetry = Gadgetry::new();
    for (behaviour, words) in [
        ("huge", "something else than a token"),
        ("strange", "something else than a token"),
        ("down", "answers with 503 Service Unavailable"),
        ("elsewhere", "answers with 302 Found"),
    ] {
        let server = Server::start(behaviour);
        refused(&login(&gadgetry, &server.host, USER, PASSWORD, &["--plain-http"]), words);
    }
    let server = Server::start("endless");
    let begun = std::time::Instant::now();
    assert_eq!(asks(&server, &Credentials::Anonymous), Ok(()));
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "its end was not waited for");
}
