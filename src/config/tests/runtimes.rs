//! The section about container runtimes.

use super::*;
use crate::container::runtime::{Containerd, Protocol, Settings};

fn with(section: &str) -> Settings {
    load_text(&format!("{GOOD}runtimes: {section}\n")).unwrap().runtimes
}

fn complaint_about(section: &str) -> String {
    complaint(&format!("{GOOD}runtimes: {section}\n"))
}

/// Proves that all runtimes are asked at their usual sockets where nothing is said, units of systemd excepted.
#[test]
fn everything_is_asked_unless_told_otherwise() {
    let usual = Settings {
        docker: Some("/run/docker.sock".into()),
        podman: Some("/run/podman/podman.sock".into()),
        containerd: Some(Containerd { socket: "/run/containerd/containerd.sock".into(), namespaces: Vec::new() }),
        crio: Some("/run/crio/crio.sock".into()),
        protocol: Protocol::Internal,
        oci: true,
        systemd: false,
    };
    assert_eq!(load_text(GOOD).unwrap().runtimes, usual);
    assert_eq!(with("{docker: , containerd: {namespaces: }}"), usual);
}

/// Proves that each key has its effect and no other.
#[test]
fn keys_are_heard() {
    let usual = load_text(GOOD).unwrap().runtimes;
    let moved = |namespaces: &[&str]| {
        let namespaces = namespaces.iter().map(|n| (*n).to_owned()).collect();
        Some(Containerd { socket: "/k3s.sock".into(), namespaces })
    };
    for (section, expected) in [
        ("{docker: {enabled: false}}", Settings { docker: None, ..usual.clone() }),
        ("{podman: {socket: /p.sock}}", Settings { podman: Some("/p.sock".into()), ..usual.clone() }),
        (
            "{containerd: {socket: /k3s.sock, namespaces: [k8s.io, moby]}}",
            Settings { containerd: moved(&["k8s.io", "moby"]), ..usual.clone() },
        ),
        ("{containerd: {enabled: false, namespaces: [a]}}", Settings { containerd: None, ..usual.clone() }),
        ("{crio: {enabled: false, socket: /c.sock}}", Settings { crio: None, ..usual.clone() }),
        ("{oci: {enabled: false}, systemd: {enabled: true}}", Settings { oci: false, systemd: true, ..usual.clone() }),
        ("{protocol: cri}", Settings { docker: Some("/run/cri-dockerd.sock".into()), protocol: Protocol::Cri, ..usual.clone() }),
        (
            "{protocol: cri, docker: {socket: /d.sock}}",
            Settings { docker: Some("/d.sock".into()), protocol: Protocol::Cri, ..usual.clone() },
        ),
    ] {
        assert_eq!(with(section), expected, "{section}");
    }
}

/// Proves that upstream's variables stand in for sockets that the file does not name, and that ours go before the file.
#[test]
fn sockets_from_the_environment() {
    let environment: Environment = [
        ("INSPEKTOR_GADGET_DOCKER_SOCKETPATH", "/env/docker.sock"),
        ("INSPEKTOR_GADGET_CRIO_SOCKETPATH", "/env/crio.sock"),
        ("INSPEKTOR_GADGET_PODMAN_SOCKETPATH", ""),
        ("GADGETRY__RUNTIMES__CONTAINERD__SOCKET", "/ours.sock"),
    ]
    .into_iter()
    .collect();
    let yaml = format!("{GOOD}runtimes: {{crio: {{socket: /file.sock}}, containerd: {{socket: /file.sock}}}}\n");
    let runtimes = load_bytes(yaml.as_bytes(), &environment).unwrap().runtimes;
    assert_eq!(runtimes.docker.as_deref(), Some(Path::new("/env/docker.sock")));
    assert_eq!(runtimes.crio.as_deref(), Some(Path::new("/file.sock")));
    assert_eq!(runtimes.podman.as_deref(), Some(Path::new("/run/podman/podman.sock")));
    assert_eq!(runtimes.containerd.map(|c| c.socket).as_deref(), Some(Path::new("/ours.sock")));
}

/// Proves that what is wrong is said at its place, with what was meant.
#[test]
fn mistakes() {
    assert_eq!(complaint_about("{dokcer: {enabled: false}}"), "11:12: unknown key \"dokcer\" in runtimes [docker]");
    assert_eq!(complaint_about("{cri-o: {}}"), "11:12: unknown key \"cri-o\" in runtimes [crio]");
    assert_eq!(complaint_about("{podman: {sock: /x}}"), "11:21: unknown key \"sock\" in runtimes.podman [socket]");
    assert_eq!(complaint_about("{docker: {namespaces: [a]}}"), "11:21: unknown key \"namespaces\" in runtimes.docker");
    assert_eq!(complaint_about("{protocol: crii}"), "11:22: runtimes.protocol must be one of internal, cri, not the text \"crii\" [cri]");
    let socket = "11:29: runtimes.docker.socket must be an absolute path such as /run/docker.sock, not the text";
    assert_eq!(complaint_about("{docker: {socket: 'unix:///run/docker.sock'}}"), format!("{socket} \"unix:///run/docker.sock\""));
    assert_eq!(complaint_about("{docker: {socket: ''}}"), format!("{socket} \"\""));
    assert_eq!(
        complaint_about("{containerd: {namespaces: ['']}}"),
        "11:38: runtimes.containerd.namespaces[0] must not be empty, not the text \"\""
    );
    assert_eq!(complaint_about("{oci: {enabled: 5}}"), "11:27: runtimes.oci.enabled must be true or false, not 5");
}
