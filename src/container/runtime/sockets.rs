//! Where each daemon listens: as configured, else as the environment says, else at its usual place.

use std::path::{Path, PathBuf};

use super::Protocol;

/// A daemon that can be asked about its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daemon {
    /// Name of the runtime in statuses, flags and events.
    pub name: &'static str,
    /// Its usual socket.
    pub socket: &'static str,
    /// Its usual socket for the Container Runtime Interface.
    pub cri_socket: &'static str,
    /// Environment variable that names the socket when the configuration does not.
    pub variable: &'static str,
}

/// The Docker engine; by CRI through cri-dockerd.
pub const DOCKER: Daemon = Daemon {
    name: "docker",
    socket: "/run/docker.sock",
    cri_socket: "/run/cri-dockerd.sock",
    variable: "INSPEKTOR_GADGET_DOCKER_SOCKETPATH",
};

/// Podman's API service. It has no CRI.
pub const PODMAN: Daemon = Daemon {
    name: "podman",
    socket: "/run/podman/podman.sock",
    cri_socket: "/run/podman/podman.sock",
    variable: "INSPEKTOR_GADGET_PODMAN_SOCKETPATH",
};

/// containerd, with one socket for both of its APIs.
pub const CONTAINERD: Daemon = Daemon {
    name: "containerd",
    socket: "/run/containerd/containerd.sock",
    cri_socket: "/run/containerd/containerd.sock",
    variable: "INSPEKTOR_GADGET_CONTAINERD_SOCKETPATH",
};

/// CRI-O, which has CRI only.
pub const CRIO: Daemon = Daemon {
    name: "cri-o",
    socket: "/run/crio/crio.sock",
    cri_socket: "/run/crio/crio.sock",
    variable: "INSPEKTOR_GADGET_CRIO_SOCKETPATH",
};

impl Daemon {
    /// The socket to use: the configured one, else the environment's, else the usual one. An empty variable says nothing.
    pub fn socket_path(&self, configured: Option<&Path>, protocol: Protocol) -> PathBuf {
        let variable = || std::env::var_os(self.variable).filter(|v| !v.is_empty()).map(PathBuf::from);
        let usual = if protocol == Protocol::Cri { self.cri_socket } else { self.socket };
        configured.map(Path::to_owned).or_else(variable).unwrap_or_else(|| PathBuf::from(usual))
    }
}
