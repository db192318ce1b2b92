//! Credential helpers on the PATH.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{config, refused, succeeds};
use crate::harness::{Gadgetry, Kind, PASSWORD, Registry, USER};

/// Keeps what it is told in a file.
const KEEPER: &str = r#"kept="$0.kept"
case $1 in
store) cat > "$kept";;
get) if test -e "$kept"; then cat "$kept"; else echo "credentials not found in native keychain"; exit 1; fi;;
erase) rm "$kept";;
esac"#;

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(format!("docker-credential-{name}"));
    let made =
        Command::new("sh").args(["-c", "printf '%s\\n' '#!/bin/sh' \"$1\" > \"$0\" && chmod 755 \"$0\""]).arg(path).arg(text).status();
    assert!(made.unwrap().success());
}

/// The program with the data folder on its PATH.
fn run(gadgetry: &Gadgetry, arguments: &[&str], password: Option<&str>) -> Output {
    let path = format!("{}:{}", gadgetry.data.path().display(), std::env::var("PATH").unwrap());
    let mut command = gadgetry.command(arguments);
    command.env("PATH", path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), password.unwrap_or_default().as_bytes());
    child.wait_with_output().unwrap()
}

/// With `credsStore` and with `credHelpers` the helper keeps the password and the file does not.
#[test]
fn kept_by_a_helper() {
    let registry = Registry::start(Kind::PlainAuth);
    let host = registry.host.as_str();
    for text in [
        r#"{"credsStore":"keeper"}"#.to_owned(),
        format!(r#"{{"credHelpers":{{"{host}":"keeper"}},"auths":{{"{host}":{{"auth":"b2xkOm9sZA=="}}}}}}"#),
    ] {
        let gadgetry = Gadgetry::new();
        let kept = gadgetry.data.path().join("docker-credential-keeper.kept");
        script(gadgetry.data.path(), "keeper", KEEPER);
        std::fs::write(gadgetry.data.path().join("config.json"), &text).unwrap();
        succeeds(&run(&gadgetry, &["login", host, "--plain-http", "-u", USER, "--password-stdin"], Some(PASSWORD)));
        let json: serde_json::Value = serde_json::from_str(&config(&gadgetry)).unwrap();
        assert_eq!(json["auths"][host], serde_json::json!({}), "what was in the file has gone");
        let wanted = format!(r#"{{"ServerURL":"{host}","Username":"{USER}","Secret":"{PASSWORD}"}}"#);
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), wanted);
        assert_eq!(run(&gadgetry, &["login", host, "--get-login"], None).stdout, format!("{USER}\n").into_bytes());
        assert_eq!(run(&gadgetry, &["logout", host], None).stdout, b"Logout Succeeded\n");
        assert!(!kept.exists());
        refused(&run(&gadgetry, &["logout", host], None), "not logged in to");
        succeeds(&run(&gadgetry, &["login", host, "--plain-http", "-u", USER, "--password-stdin"], Some(PASSWORD)));
        assert_eq!(run(&gadgetry, &["logout", "-a"], None).stdout, b"Logout Succeeded\n");
        assert!(!kept.exists());
    }
}

/// Helpers that fail, flood, hang or are not there: the error names them, in bounded time, and repeats nothing.
#[test]
fn unusable_helpers() {
    for (name, text, words) in [
        ("fails", "echo s3cret; echo s3cret >&2; exit 1", "docker-credential-fails fails"),
        ("floods", "exec yes s3cret", "docker-credential-floods answers with more than 65536 bytes"),
        ("hangs", "exec sleep 60", "docker-credential-hangs does not answer within 10 s"),
        ("babbles", "echo s3cret", "docker-credential-babbles answers with something else"),
        ("../evil", "", "is no name of a credential helper"),
        ("gone", "", "cannot run the credential helper docker-credential-gone"),
    ] {
        let gadgetry = Gadgetry::new();
        if !text.is_empty() {
            script(gadgetry.data.path(), name, text);
        }
        std::fs::write(gadgetry.data.path().join("config.json"), format!(r#"{{"credHelpers":{{"r.example":"{name}"}}}}"#)).unwrap();
        let begun = Instant::now();
        let output = run(&gadgetry, &["login", "r.example", "--get-login", "--log-level", "trace"], None);
        assert!(begun.elapsed() < Duration::from_secs(25));
        refused(&output, words);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("s3cret"));
    }
}
