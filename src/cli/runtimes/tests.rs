//! What the flags mean.

use std::path::PathBuf;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    runtimes: RuntimeFlags,
}

fn flags(arguments: &[&str]) -> RuntimeFlags {
    Command::try_parse_from([&["x"], arguments].concat()).unwrap().runtimes
}

fn refused(arguments: &[&str]) -> String {
    Command::try_parse_from([&["x"], arguments].concat()).err().unwrap().to_string()
}

/// Without a flag everything but systemd is asked at its usual socket, all namespaces of containerd included.
#[test]
fn usual_settings() {
    let usual = flags(&[]).settings();
    assert_eq!(usual.containerd, Some(Containerd { socket: "/run/containerd/containerd.sock".into(), namespaces: Vec::new() }));
    assert_eq!((usual.daemons(), usual.oci, usual.systemd), (4, true, false));
    assert_eq!(flags(&["--docker-socketpath", ""]).settings(), usual);
}

/// What is named is asked and nothing else, where the flags say.
#[test]
fn flags_choose() {
    let named = flags(&["-r", "podman,systemd", "--podman-socketpath", "/p.sock", "--docker-socketpath", "/d.sock"]).settings();
    assert_eq!(named, Settings { podman: Some("/p.sock".into()), systemd: true, ..Settings::default() });
    let named = flags(&["-r=containerd", "-r", "crio", "--containerd-namespace", "a,b"]).settings();
    let namespaces = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(named.containerd, Some(Containerd { socket: PathBuf::from("/run/containerd/containerd.sock"), namespaces }));
    assert_eq!(named.crio, Some("/run/crio/crio.sock".into()));
    let cri = flags(&["--runtime-protocol", "cri"]).settings();
    assert_eq!((cri.docker, cri.protocol), (Some("/run/cri-dockerd.sock".into()), runtime::Protocol::Cri));
}

/// A runtime named twice is asked once and said so once; what there is not is refused with what was meant.
#[test]
fn repeated_and_unknown_names() {
    let twice = flags(&["-r", "docker,cri-o,docker,docker,crio"]);
    assert_eq!(twice.repeated(), ["docker is listed more than once in --runtimes", "cri-o is listed more than once in --runtimes"]);
    assert_eq!(twice.settings().daemons(), 2);
    let error = refused(&["-r", "docker,containrd"]);
    assert!(error.contains("'containrd'") && error.contains("a similar value exists: 'containerd'") && error.contains("cri-o"), "{error}");
    assert!(refused(&["-r", ""]).contains("a value is required"), "{}", refused(&["-r", ""]));
    assert!(refused(&["--runtime-protocol", "grpc"]).contains("internal, cri"));
}

/// A runtime that is not there is nobody's loss unless it was asked for, by any way there is, or has a socket.
#[test]
fn who_is_missed() {
    let here = tempfile::NamedTempFile::new().unwrap();
    let nowhere = Path::new("/nonexistent/x.sock");
    assert!(!flags(&[]).is_missed("docker", nowhere));
    assert!(flags(&[]).is_missed("docker", here.path()));
    assert!(flags(&["-r", "docker"]).is_missed("docker", nowhere));
    assert!(!flags(&["-r", "docker,cri-o"]).is_missed("podman", nowhere));
    assert!(flags(&["-r", "crio"]).is_missed("cri-o", nowhere));
    assert!(flags(&["--podman-socketpath", "/nonexistent/x.sock"]).is_missed("podman", nowhere));
    assert!(!flags(&["--podman-socketpath", ""]).is_missed("podman", nowhere));
}

/// Of what the kernel tells only those are shown whose runtime was asked for; plain ones, of whatever runtime, belong to `oci`.
#[test]
fn whose_containers_are_shown() {
    for (given, shown, hidden) in [
        (vec![], vec!["docker", "podman", "runc", "", "systemd"], vec![]),
        (vec!["-r", "podman"], vec!["podman"], vec!["docker", "runc", "", "systemd"]),
        (vec!["-r", "docker,oci"], vec!["docker", "runc", "crun", ""], vec!["podman", "systemd"]),
    ] {
        let flags = flags(&given);
        assert!(shown.iter().all(|name| flags.includes(name)) && !hidden.iter().any(|name| flags.includes(name)), "{given:?}");
    }
}
