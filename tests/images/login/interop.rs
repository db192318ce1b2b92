//! What we keep, others read; what others keep, we read.

use std::process::Command;

use super::{login, mode, succeeds};
use crate::harness::{Gadgetry, Kind, PASSWORD, Registry, USER, foreign, tool};

const ORAS: &str = "image-tools/usr/bin/oras";

/// An image in the registry, so that there is something to look at.
fn fill(registry: &Registry, oras: &std::path::Path) -> String {
    let name = format!("{}/team/thing:1", registry.host);
    let file = registry.folder.path().join("thing.txt");
    std::fs::write(&file, "thing").unwrap();
    let mut push = Command::new(oras);
    push.args(["push", "--plain-http", "-u", USER, "-p", PASSWORD, &name, "--disable-path-validation"]).arg(&file);
    foreign(&mut push);
    name
}

/// The file we write lets skopeo and oras in, and a file without the entry does not.
#[test]
fn read_by_others() {
    let Some(oras) = tool("read_by_others", ORAS) else { return };
    let (registry, gadgetry) = (Registry::start(Kind::PlainAuth), Gadgetry::new());
    let name = fill(&registry, &oras);
    succeeds(&login(&gadgetry, &registry.host, USER, PASSWORD, &["--plain-http"]));
    let file = gadgetry.data.path().join("config.json");
    let skopeo = || {
        let mut command = Command::new("skopeo");
        command.args(["inspect", "--raw", "--tls-verify=false", "--authfile"]).arg(&file).arg(format!("docker://{name}"));
        command
    };
    let fetch = || {
        let mut command = Command::new(&oras);
        command.args(["manifest", "fetch", "--plain-http", "--registry-config"]).arg(&file).arg(&name);
        command
    };
    assert!(foreign(&mut skopeo()).contains("manifest") && foreign(&mut fetch()).contains("manifest"));
    gadgetry.ok(&["logout", &registry.host]);
    assert!(!skopeo().output().unwrap().status.success() && !fetch().output().unwrap().status.success());
}

/// Files that skopeo and oras write are read and taken further, without losing what they have.
#[test]
fn read_from_others() {
    let Some(oras) = tool("read_from_others", ORAS) else { return };
    let (first, second) = (Registry::start(Kind::PlainAuth), Registry::start(Kind::PlainAuth));
    let gadgetry = Gadgetry::new();
    let file = gadgetry.data.path().join("config.json");
    foreign(
        Command::new("skopeo").args(["login", "--tls-verify=false", "-u", USER, "-p", PASSWORD, "--authfile"]).arg(&file).arg(&first.host),
    );
    assert_eq!(gadgetry.ok(&["login", &first.host, "--get-login"]), format!("{USER}\n"));
    let mut oras_login = Command::new(&oras);
    oras_login.args(["login", "--plain-http", "-u", USER, "-p", PASSWORD, "--registry-config"]).arg(&file).arg(&second.host);
    foreign(&mut oras_login);
    assert_eq!(gadgetry.ok(&["login", &second.host, "--get-login"]), format!("{USER}\n"));
    succeeds(&login(&gadgetry, &first.host, USER, PASSWORD, &["--plain-http"]));
    assert_eq!(mode(&file), 0o600);
    let who = foreign(Command::new("skopeo").args(["login", "--get-login", "--authfile"]).arg(&file).arg(&second.host));
    assert_eq!(who.trim(), USER);
    foreign(Command::new("skopeo").args(["logout", "--authfile"]).arg(&file).arg(&first.host));
    assert_eq!(gadgetry.fails(&["login", &first.host, "--get-login"]).0, 1);
    assert_eq!(gadgetry.ok(&["login", &second.host, "--get-login"]), format!("{USER}\n"));
}
