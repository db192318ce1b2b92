//! Logging in and out: real registries, a token server, credential helpers, a terminal, and other people's tools.

mod helpers;
mod interop;
mod server;
mod terminal;
mod tokens;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::harness::{Gadgetry, Kind, PASSWORD, Registry, USER};
use server::Server;

/// Logs in with a password on standard input.
fn login(gadgetry: &Gadgetry, registry: &str, user: &str, password: &str, further: &[&str]) -> Output {
    let mut command = gadgetry.command(&["login", registry, "-u", user, "--password-stdin"]);
    let mut child = command.args(further).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that refuses before it reads has closed the pipe.
    let _ = child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Login Succeeded\n");
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{text}");
    assert!(text.lines().last().unwrap().starts_with("Error: ") && text.contains(words), "{text}");
}

fn config(gadgetry: &Gadgetry) -> String {
    std::fs::read_to_string(gadgetry.data.path().join("config.json")).unwrap_or_default()
}

/// The folder with the certificate of a registry's authority alone.
fn authority(registry: &Registry) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(registry.authority(), folder.path().join("ca.crt")).unwrap();
    folder
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// TLS with a private authority: unknown, known, not asked about; then who is logged in, and out again.
#[test]
fn in_and_out_over_tls() {
    let (registry, gadgetry) = (Registry::start(Kind::TlsAuth), Gadgetry::new());
    let (host, folder) = (registry.host.as_str(), authority(&registry));
    let certs = folder.path().to_str().unwrap();
    refused(&login(&gadgetry, host, USER, PASSWORD, &[]), "is signed by an unknown authority");
    refused(&login(&gadgetry, host, USER, "wrong", &["--cert-dir", certs]), "does not take this user and password");
    refused(&login(&gadgetry, host, "bob", PASSWORD, &["--tls-verify=false"]), "does not take this user and password");
    assert_eq!(config(&gadgetry), "", "nothing that was refused is kept");
    succeeds(&login(&gadgetry, host, USER, PASSWORD, &["--tls-verify=false"]));
    succeeds(&login(&gadgetry, &format!("https://{host}/v2/"), USER, PASSWORD, &["--cert-dir", certs]));
    assert_eq!(mode(&gadgetry.data.path().join("config.json")), 0o600);
    assert!(config(&gadgetry).contains(&format!("\"{host}\"")), "{}", config(&gadgetry));
    assert_eq!(gadgetry.ok(&["login", host, "--get-login"]), format!("{USER}\n"));
    assert_eq!(gadgetry.fails(&["login", "other.example", "--get-login"]), (1, "Error: not logged in to other.example\n".to_owned()));
    assert_eq!(gadgetry.ok(&["logout", host]), "Logout Succeeded\n");
    assert_eq!(gadgetry.fails(&["logout", host]), (1, format!("Error: not logged in to {host}\n")));
    assert_eq!(gadgetry.fails(&["login", host, "--get-login"]).0, 1);
}

/// A registry without TLS, and one with it that is spoken to without: each says so.
#[test]
fn plain_and_tls_mixed_up() {
    let gadgetry = Gadgetry::new();
    let plain = Registry::start(Kind::PlainAuth);
    refused(&login(&gadgetry, &plain.host, USER, PASSWORD, &[]), "does not speak TLS");
    refused(&login(&gadgetry, &plain.host, USER, "wrong", &["--plain-http"]), "does not take this user and password");
    succeeds(&login(&gadgetry, &plain.host, USER, PASSWORD, &["--plain-http"]));
    let tls = Registry::start(Kind::TlsAuth);
    refused(&login(&gadgetry, &tls.host, USER, PASSWORD, &["--plain-http"]), "speaks TLS, and was spoken to without");
    succeeds(&login(&gadgetry, &tls.host, USER, PASSWORD, &["--plain-http=false", "--tls-verify=false"]));
    gadgetry.ok(&["logout", "--all"]);
    assert_eq!(config(&gadgetry).split_whitespace().collect::<String>(), r#"{"auths":{}}"#);
}

/// A registry that wants a certificate of its clients gets ours.
#[test]
fn client_certificates() {
    let folder = tempfile::tempdir().unwrap();
    crate::harness::certificates(folder.path());
    let (child, host) = server::docker_registry(folder.path(), "    clientcas: [DIR/ca.crt]\n", "");
    let gadgetry = Gadgetry::new();
    let certs = folder.path().join("certs");
    let own = certs.join(&host);
    std::fs::create_dir_all(&own).unwrap();
    std::fs::copy(folder.path().join("ca.crt"), own.join("ca.crt")).unwrap();
    let arguments = ["--cert-dir", certs.to_str().unwrap()];
    // With TLS 1.3 the refusal comes behind the handshake: its words may be lost when the connection is closed (RFC 8446 section 4.4.2.4).
    refused(&login(&gadgetry, &host, USER, PASSWORD, &arguments), &host);
    server::client_certificate(folder.path(), &own);
    succeeds(&login(&gadgetry, &host, USER, PASSWORD, &arguments));
    std::fs::remove_file(own.join("client.key")).unwrap();
    refused(&login(&gadgetry, &host, USER, PASSWORD, &arguments), "client.cert cannot be used: there is no .key file");
    drop(child);
}

/// Nothing there, a web page, an error: no registry, and said in words of its own.
#[test]
fn no_registry() {
    let gadgetry = Gadgetry::new();
    let free = format!("127.0.0.1:{}", crate::support::free_port());
    refused(&login(&gadgetry, &free, USER, PASSWORD, &["--plain-http"]), &format!("cannot reach {free}: "));
    for (page, words) in [("html", "200 OK and a web page"), ("absent", "404 Not Found"), ("broken", "500 Internal Server Error")] {
        let server = Server::start(page);
        refused(&login(&gadgetry, &server.host, USER, PASSWORD, &["--plain-http"]), &format!("GET /v2/ is answered with {words}"));
    }
    let server = Server::start("digest");
    refused(&login(&gadgetry, &server.host, USER, PASSWORD, &["--plain-http"]), "a way to log in that is not known: \"digest\"");
    let server = Server::start("silent");
    refused(&login(&gadgetry, &server.host, USER, PASSWORD, &["--plain-http"]), "does not answer within 10 s");
}

/// Arguments that cannot be meant are refused before anything is asked.
#[test]
fn arguments() {
    let gadgetry = Gadgetry::new();
    let fails = |arguments: &[&str], words: &str| {
        let (code, text) = gadgetry.fails(arguments);
        assert!(code == 1 && text.starts_with("Error: ") && text.contains(words), "{arguments:?}: {text}");
    };
    fails(&["login"], "gadgetry login ghcr.io");
    fails(&["logout"], "gadgetry logout ghcr.io");
    fails(&["logout", "r.example", "--all"], "cannot be used with");
    fails(&["login", "ftp://r.example"], "only https and http");
    fails(&["login", "alice:pw@r.example"], "--username");
    fails(&["login", "r.example"], "standard input is no terminal");
    fails(&["login", "r.example", "-u", "alice"], "standard input is no terminal");
    fails(&["login", "r.example", "--password-stdin"], "--password-stdin needs --username");
    fails(&["login", "r.example", "-u", "alice", "-p", "a", "--password-stdin"], "cannot be used with");
    fails(&["login", "r.example", "-u", "alice", "--password-stdin"], "the password is empty");
    let long = "x".repeat((100 << 10) + 1);
    refused(&login(&gadgetry, "r.example", "alice", &long, &[]), "longer than 100 KiB");
}

/// A password in the arguments is warned of; it works all the same.
#[test]
fn password_in_the_arguments() {
    let (registry, gadgetry) = (Registry::start(Kind::PlainAuth), Gadgetry::new());
    let output = gadgetry.run(&["login", &registry.host, "--plain-http", "-u", USER, "-p", PASSWORD]);
    succeeds(&output);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("warning: ") && text.contains("--password-stdin") && !text.contains(PASSWORD), "{text}");
}

/// At the most talkative level of the log, neither what succeeds nor what fails shows a secret in any form.
#[test]
fn secrets_are_not_logged() {
    let (registry, gadgetry) = (Registry::start(Kind::PlainAuth), Gadgetry::new());
    let tokens = Server::start("bearer");
    let encoded = "YWxpY2U6czNjcmV0";
    let level = ["--plain-http", "--log-level", "trace,hyper=trace,h2=trace"];
    let outputs = [
        login(&gadgetry, &registry.host, USER, PASSWORD, &level),
        login(&gadgetry, &registry.host, "bob", PASSWORD, &level),
        login(&gadgetry, &tokens.host, USER, PASSWORD, &level),
        gadgetry.run(&["login", &registry.host, "--get-login", "--log-level", "trace"]),
        gadgetry.run(&["logout", &registry.host, "--log-level", "trace"]),
    ];
    for output in outputs {
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains(PASSWORD) && !text.contains(encoded) && !text.contains(server::TOKEN), "{text}");
    }
    assert!(config(&gadgetry).contains(encoded), "it was kept, so it was there to be shown");
}

/// The files in their order: flag, variable, ours; Docker's is read as long as ours is not there, and not written.
#[test]
fn files_in_order() {
    let (registry, gadgetry) = (Registry::start(Kind::PlainAuth), Gadgetry::new());
    let path = |name: &str| gadgetry.data.path().join(name);
    std::fs::create_dir(path(".docker")).unwrap();
    std::fs::write(path(".docker/config.json"), r#"{"auths":{"r.example":{"auth":"ZG9ja2VyOnA="}}}"#).unwrap();
    let user = |variable: Option<&str>, further: &[&str]| {
        let mut command = gadgetry.command(&["login", "r.example", "--get-login"]);
        variable.map(|name| command.env("REGISTRY_AUTH_FILE", path(name)));
        let output = command.args(further).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    assert!(user(None, &[]).starts_with("docker\n"));
    assert!(user(None, &[]).contains("open to other users"), "its mode is 0644");
    assert!(user(Some("none"), &[]).contains("that REGISTRY_AUTH_FILE names does not exist"));
    assert!(user(None, &["--authfile", "/none"]).contains("/none that --authfile names does not exist"));
    let (code, text) = gadgetry.fails(&["logout", "r.example"]);
    assert!(code == 1 && text.contains("not logged in to r.example") && text.contains(".docker/config.json"), "{text}");
    // A file that is named is made.
    let named = path("new/auth.json");
    succeeds(&login(&gadgetry, &registry.host, USER, PASSWORD, &["--plain-http", "--authfile", named.to_str().unwrap()]));
    assert_eq!((mode(&named), mode(named.parent().unwrap())), (0o600, 0o700));
    assert!(user(None, &[]).starts_with("docker\n"));
    let output = login(&gadgetry, &registry.host, USER, PASSWORD, &["--plain-http"]);
    succeeds(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains(".docker/config.json is not looked at any more"));
    assert!(user(None, &[]).contains("not logged in"));
    assert!(user(Some(".docker/config.json"), &[]).starts_with("docker\n"));
}

/// Many processes that log in at once lose nothing of each other, nor what is not known of the file.
#[test]
fn concurrent_logins() {
    let gadgetry = Gadgetry::new();
    std::fs::write(gadgetry.data.path().join("config.json"), r#"{"psFormat":"x"}"#).unwrap();
    let servers: Vec<Server> = (0..12).map(|_| Server::start("open")).collect();
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| succeeds(&login(&gadgetry, &server.host, USER, PASSWORD, &["--plain-http"])));
        }
    });
    let text = config(&gadgetry);
    assert!(servers.iter().all(|server| text.contains(&server.host)) && text.contains("psFormat"), "{text}");
}
