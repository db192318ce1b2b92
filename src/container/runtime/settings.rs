//! Which runtimes are asked, and where they listen. What is `None` is not asked at all.

use std::path::{Path, PathBuf};

use super::sockets::{CONTAINERD, CRIO, DOCKER, PODMAN};

/// See the module. Paths are the host's: they are looked up below `HOST_ROOT`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Socket of the Docker Engine API.
    pub docker: Option<PathBuf>,
    /// Socket of Podman's API.
    pub podman: Option<PathBuf>,
    /// containerd.
    pub containerd: Option<Containerd>,
    /// Socket of CRI-O.
    pub crio: Option<PathBuf>,
    /// How containerd (and Docker, through cri-dockerd) are spoken to.
    pub protocol: Protocol,
    /// Whether containers that no daemon manages, of runc and crun, are found by their bundles.
    pub oci: bool,
    /// Whether units of systemd count as containers.
    pub systemd: bool,
}

impl Settings {
    /// How many daemons are asked, each of which has a status in the inventory once it is followed.
    pub fn daemons(&self) -> usize {
        [self.docker.is_some(), self.podman.is_some(), self.containerd.is_some(), self.crio.is_some()]
            .into_iter()
            .filter(|wanted| *wanted)
            .count()
    }

    /// The same, each daemon by itself; what needs no daemon comes first.
    pub(super) fn parts(&self) -> Vec<Settings> {
        let bare = || Settings { protocol: self.protocol, ..Settings::default() };
        let mut parts = vec![Settings { oci: self.oci, systemd: self.systemd, ..Settings::default() }];
        parts.extend(self.docker.iter().map(|socket| Settings { docker: Some(socket.clone()), ..bare() }));
        parts.extend(self.podman.iter().map(|socket| Settings { podman: Some(socket.clone()), ..Settings::default() }));
        parts.extend(self.containerd.iter().map(|wanted| Settings { containerd: Some(wanted.clone()), ..bare() }));
        parts.extend(self.crio.iter().map(|socket| Settings { crio: Some(socket.clone()), ..Settings::default() }));
        parts
    }

    /// Name and socket of the first daemon.
    pub(super) fn daemon(&self) -> Option<(&'static str, &Path)> {
        let all = [
            (DOCKER.name, self.docker.as_deref()),
            (PODMAN.name, self.podman.as_deref()),
            (CONTAINERD.name, self.containerd.as_ref().map(|wanted| wanted.socket.as_path())),
            (CRIO.name, self.crio.as_deref()),
        ];
        all.into_iter().find_map(|(name, socket)| Some((name, socket?)))
    }
}

/// Where containerd is and which of its namespaces are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containerd {
    /// Socket of its API, CRI included.
    pub socket: PathBuf,
    /// Namespaces whose containers are wanted; all when empty.
    pub namespaces: Vec<String>,
}

/// How a runtime that has an API of its own and CRI is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// By its own API.
    #[default]
    Internal,
    /// By the Container Runtime Interface.
    Cri,
}
