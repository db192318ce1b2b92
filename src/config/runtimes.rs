//! The section about container runtimes: its keys, its defaults, and the settings that it means.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::environment::Environment;
use crate::container::runtime::{self, CONTAINERD, CRIO, Containerd, DOCKER, Daemon, PODMAN, Settings};

/// Where containers are found. A runtime that is not there is no error: it is waited for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuntimesConfig {
    /// Docker. Its socket is /run/docker.sock, or what `INSPEKTOR_GADGET_DOCKER_SOCKETPATH` says; with `protocol: cri` that of cri-dockerd,
    /// /run/cri-dockerd.sock.
    #[serde(default)]
    pub docker: DaemonConfig,
    /// Podman, by the API that it serves to Docker's clients. Its socket is /run/podman/podman.sock, or what
    /// `INSPEKTOR_GADGET_PODMAN_SOCKETPATH` says.
    #[serde(default)]
    pub podman: DaemonConfig,
    /// containerd. Its socket is /run/containerd/containerd.sock, or what `INSPEKTOR_GADGET_CONTAINERD_SOCKETPATH` says.
    #[serde(default)]
    pub containerd: ContainerdConfig,
    /// CRI-O. Its socket is /run/crio/crio.sock, or what `INSPEKTOR_GADGET_CRIO_SOCKETPATH` says.
    #[serde(default)]
    pub crio: DaemonConfig,
    /// How containerd and Docker are spoken to: by their own APIs, or by that of Kubernetes.
    #[serde(default)]
    #[schemars(extend("default" = "internal"))]
    pub protocol: Option<Protocol>,
    /// Containers that runc and crun run for no daemon: found by their bundles.
    #[serde(default)]
    pub oci: OciConfig,
    /// Units of systemd as containers.
    #[serde(default)]
    pub systemd: SystemdConfig,
}

/// A daemon that manages containers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DaemonConfig {
    /// Whether it is asked at all.
    #[serde(default)]
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Its socket, as a path on the host.
    #[serde(default)]
    #[schemars(extend("x-format" = "absolute-path"))]
    pub socket: Option<String>,
}

/// containerd.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerdConfig {
    /// Whether it is asked at all.
    #[serde(default)]
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Its socket, as a path on the host.
    #[serde(default)]
    #[schemars(extend("x-format" = "absolute-path"))]
    pub socket: Option<String>,
    /// Its namespaces whose containers are wanted, such as `k8s.io`, `default` or Docker's `moby`; all when empty.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub namespaces: Vec<String>,
}

/// Containers that no daemon manages.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OciConfig {
    /// Whether they are looked for.
    #[serde(default)]
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
}

/// Units of systemd.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemdConfig {
    /// Whether they count as containers, each by its name.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub enabled: Option<bool>,
}

/// How a runtime that has an API of its own is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// By its own API, which knows all its containers.
    Internal,
    /// By the Container Runtime Interface, which knows those of Kubernetes.
    Cri,
}

/// What holds where the files say nothing.
pub fn defaults(environment: &Environment) -> Value {
    let daemon = |daemon: &Daemon| json!({"enabled": true, "socket": socket(daemon, environment)});
    let mut sections: Map<String, Value> = DAEMONS.iter().map(|(key, d)| ((*key).to_owned(), daemon(d))).collect();
    sections.insert("protocol".to_owned(), "internal".into());
    sections.insert("oci".to_owned(), json!({"enabled": true}));
    sections.insert("systemd".to_owned(), json!({"enabled": false}));
    Value::Object(sections)
}

const DAEMONS: [(&str, Daemon); 4] = [("docker", DOCKER), ("podman", PODMAN), ("containerd", CONTAINERD), ("crio", CRIO)];

fn socket<'e>(daemon: &Daemon, environment: &'e Environment) -> &'e str {
    environment.get(daemon.variable).filter(|path| !path.is_empty()).unwrap_or(daemon.socket)
}

/// The settings that the section means.
pub fn settings(config: RuntimesConfig) -> Settings {
    let protocol = match config.protocol {
        Some(Protocol::Cri) => runtime::Protocol::Cri,
        Some(Protocol::Internal) | None => runtime::Protocol::Internal,
    };
    let path = |daemon: &Daemon, enabled: Option<bool>, socket: Option<String>| {
        let path = PathBuf::from(socket.unwrap_or_else(|| daemon.socket.to_owned()));
        // The default does not know the protocol.
        let usual = protocol == runtime::Protocol::Cri && path == Path::new(daemon.socket);
        enabled.unwrap_or(true).then(|| if usual { PathBuf::from(daemon.cri_socket) } else { path })
    };
    let ContainerdConfig { enabled, socket, namespaces } = config.containerd;
    Settings {
        docker: path(&DOCKER, config.docker.enabled, config.docker.socket),
        podman: path(&PODMAN, config.podman.enabled, config.podman.socket),
        containerd: path(&CONTAINERD, enabled, socket).map(|socket| Containerd { socket, namespaces }),
        crio: path(&CRIO, config.crio.enabled, config.crio.socket),
        protocol,
        oci: config.oci.enabled.unwrap_or(true),
        systemd: config.systemd.enabled.unwrap_or(false),
    }
}
