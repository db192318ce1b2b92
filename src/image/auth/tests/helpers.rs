//! Programs that keep credentials.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::basic;
use crate::image::auth::helper::Helper;
use crate::image::auth::{AuthFile, Credentials, HelperError, Secret};

/// A script, written by another process: one that this process had open for writing could not be run while another thread forks.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    let made =
        Command::new("sh").args(["-c", "printf '%s\\n' '#!/bin/sh' \"$1\" > \"$0\" && chmod 755 \"$0\""]).arg(&path).arg(text).status();
    assert!(made.unwrap().success());
    path
}

fn helper(folder: &Path, text: &str) -> Helper {
    Helper::at(&script(folder, "docker-credential-test", text), Duration::from_secs(20))
}

/// Names that would lead to another program are refused.
#[test]
fn names() {
    for name in ["", "../x", "a/b", "a b", "a;b", "\u{e9}", "a\0b", &"a".repeat(200)] {
        assert!(matches!(Helper::new(name), Err(HelperError::Name { .. })), "{name:?}");
    }
    assert!(Helper::new("ecr-login_2.0").is_ok());
}

/// A helper is asked for the server and its answer understood: a user, a token, nothing.
#[test]
fn answers() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"test "$1" = get || exit 9; read server
case $server in
user) echo '{"ServerURL":"user","Username":"alice","Secret":"s3cret"}';;
token) echo '{"Username":"<token>","Secret":"t0ken"}';;
empty) echo '{"Username":"","Secret":""}';;
none) echo 'credentials not found in native keychain'; exit 1;;
esac"#;
    let helper = helper(folder.path(), text);
    assert_eq!(helper.get("user").unwrap().unwrap().credentials, basic("alice", "s3cret"));
    assert_eq!(helper.get("token").unwrap().unwrap().credentials, Credentials::Identity(Secret::new("t0ken")));
    assert_eq!((helper.get("empty").unwrap(), helper.get("none").unwrap()), (None, None));
}

/// What is kept reaches the helper as its protocol has it, and what it has is forgotten.
#[test]
fn keeping() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let helper = helper(folder.path(), &format!("echo \"$1 $(cat)\" >> {}", log.display()));
    helper.store("https://index.docker.io/v1/", "alice", &Secret::new("s\"3cret")).unwrap();
    assert!(helper.erase("r:1").unwrap());
    let wanted = "store {\"ServerURL\":\"https://index.docker.io/v1/\",\"Username\":\"alice\",\"Secret\":\"s\\\"3cret\"}\nerase r:1\n";
    assert_eq!(std::fs::read_to_string(log).unwrap(), wanted);
}

/// Failing, flooding, babbling and absent helpers are named, and nothing they say is repeated.
#[test]
fn failures() {
    let folder = tempfile::tempdir().unwrap();
    let failure = |text: &str| {
        let error = helper(folder.path(), text).get("r").unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("docker-credential-test") && !text.contains("s3cret"), "{text}");
        error
    };
    assert!(matches!(failure("echo s3cret; echo s3cret >&2; exit 3"), HelperError::Failed { .. }));
    assert!(matches!(failure("echo '{\"Secret\": \"s3cret\", \"Username\": 5}'"), HelperError::Answer { .. }));
    assert!(matches!(failure("echo s3cret"), HelperError::Answer { .. }));
    assert!(matches!(failure("exec yes s3cret"), HelperError::Size { .. }));
    assert!(matches!(failure("kill -9 $$"), HelperError::Failed { .. }));
    let absent = Helper::at(&folder.path().join("none"), Duration::from_secs(1)).get("r").unwrap_err();
    assert!(Helper::is_absent(&absent));
}

/// One that hangs is killed: at once silent, or with its output closed.
#[test]
fn hanging() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["exec sleep 60", "exec >&-; exec sleep 60", "sleep 60 & exec sleep 60"] {
        let text = format!("echo $$ > {}; {text}", folder.path().join("pid").display());
        let helper = Helper::at(&script(folder.path(), "hangs", &text), Duration::from_secs(1));
        let begun = Instant::now();
        assert!(matches!(helper.get("r"), Err(HelperError::Timeout { .. })));
        assert!(begun.elapsed() < Duration::from_secs(10));
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "it was killed and waited for");
    }
}

/// A file that names a helper which is not installed: an error where it has the credentials, no matter where it never had any.
#[test]
fn absent_helpers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(
        &path,
        r#"{"credsStore":"gadgetry-none","credHelpers":{"own":"gadgetry-none"},"auths":{"kept":{},"here":{"auth":"YTpi"}}}"#,
    )
    .unwrap();
    let file = AuthFile::at(path);
    assert_eq!(file.credentials("other", "").unwrap(), Credentials::Anonymous);
    assert_eq!(file.credentials("here", "").unwrap(), basic("a", "b"));
    assert!(file.credentials("kept", "").is_err() && file.credentials("own", "").is_err());
    assert!(file.store("new", "u", &Secret::new("p")).is_err());
}
