//! The flags that say which container runtimes are asked, and where. `run` and `list-containers` have the same.

use std::ffi::OsString;
use std::path::Path;

use clap::{ValueEnum, ValueHint};

use crate::container::runtime::{self, CONTAINERD, CRIO, Containerd, DOCKER, Daemon, PODMAN, Settings};
use crate::kernel::host_path;

/// See the module.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Runtimes")]
pub struct RuntimeFlags {
    /// Who is asked about containers [default: docker,containerd,cri-o,podman,oci]
    #[arg(short, long, value_name = "NAME,...", value_delimiter = ',')]
    runtimes: Option<Vec<Runtime>>,
    /// Socket of Docker [default: $INSPEKTOR_GADGET_DOCKER_SOCKETPATH or /run/docker.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    docker_socketpath: Option<OsString>,
    /// Socket of containerd [default: $INSPEKTOR_GADGET_CONTAINERD_SOCKETPATH or /run/containerd/containerd.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    containerd_socketpath: Option<OsString>,
    /// Socket of CRI-O [default: $INSPEKTOR_GADGET_CRIO_SOCKETPATH or /run/crio/crio.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    crio_socketpath: Option<OsString>,
    /// Socket of Podman [default: $INSPEKTOR_GADGET_PODMAN_SOCKETPATH or /run/podman/podman.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    podman_socketpath: Option<OsString>,
    /// Namespaces of containerd, such as k8s.io or moby [default: all]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    containerd_namespace: Option<Vec<String>>,
    /// How containerd and Docker are spoken to
    #[arg(long, value_name = "PROTOCOL", default_value = "internal")]
    runtime_protocol: Protocol,
}

/// Who can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Runtime {
    /// The Docker engine
    Docker,
    /// containerd, with Kubernetes or without
    Containerd,
    /// CRI-O
    #[value(name = "cri-o", alias = "crio")]
    Crio,
    /// Podman's API service
    Podman,
    /// Containers that runc or crun runs for none of them
    Oci,
    /// Units of systemd; not among the default
    Systemd,
}

impl Runtime {
    fn daemon(self) -> Option<&'static Daemon> {
        match self {
            Runtime::Docker => Some(&DOCKER),
            Runtime::Containerd => Some(&CONTAINERD),
            Runtime::Crio => Some(&CRIO),
            Runtime::Podman => Some(&PODMAN),
            Runtime::Oci | Runtime::Systemd => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Runtime::Oci => "oci",
            Runtime::Systemd => "systemd",
            other => other.daemon().map_or("", |daemon| daemon.name),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// By their own APIs
    #[default]
    Internal,
    /// By the Container Runtime Interface; Docker through cri-dockerd
    Cri,
}

impl RuntimeFlags {
    /// What the flags, and for sockets the environment, ask for.
    pub fn settings(&self) -> Settings {
        let protocol = match self.runtime_protocol {
            Protocol::Internal => runtime::Protocol::Internal,
            Protocol::Cri => runtime::Protocol::Cri,
        };
        let asked = |runtime: Runtime| match &self.runtimes {
            Some(named) => named.contains(&runtime),
            None => runtime != Runtime::Systemd,
        };
        let socket = |runtime: Runtime| {
            let daemon = runtime.daemon().filter(|_| asked(runtime))?;
            Some(daemon.socket_path(self.socket_of(runtime), protocol))
        };
        let namespaces = self.containerd_namespace.iter().flatten().filter(|name| !name.is_empty());
        let namespaces: Vec<String> = namespaces.cloned().collect();
        Settings {
            docker: socket(Runtime::Docker),
            podman: socket(Runtime::Podman),
            containerd: socket(Runtime::Containerd).map(|socket| Containerd { socket, namespaces }),
            crio: socket(Runtime::Crio),
            protocol,
            oci: asked(Runtime::Oci),
            systemd: asked(Runtime::Systemd),
        }
    }

    /// The socket that a flag names. The empty text names none.
    fn socket_of(&self, runtime: Runtime) -> Option<&Path> {
        let flag = match runtime {
            Runtime::Docker => &self.docker_socketpath,
            Runtime::Containerd => &self.containerd_socketpath,
            Runtime::Crio => &self.crio_socketpath,
            Runtime::Podman => &self.podman_socketpath,
            Runtime::Oci | Runtime::Systemd => &None,
        };
        flag.as_deref().filter(|path| !path.is_empty()).map(Path::new)
    }

    /// Whether containers of a runtime were asked for: the kernel tells of those of all. What has no runtime that is known is `oci`'s.
    pub fn includes(&self, name: &str) -> bool {
        let Some(named) = &self.runtimes else { return true };
        let runtime = Runtime::value_variants().iter().find(|runtime| runtime.name() == name).copied();
        named.contains(&runtime.unwrap_or(Runtime::Oci))
    }

    /// A line for each runtime that is named more than once.
    pub fn repeated(&self) -> Vec<String> {
        let named = self.runtimes.as_deref().unwrap_or_default();
        let again = named.iter().enumerate().filter(|(at, runtime)| named.iter().take(*at).filter(|n| n == runtime).count() == 1);
        again.map(|(_, runtime)| format!("{} is listed more than once in --runtimes", runtime.name())).collect()
    }

    /// Whether a runtime that cannot be reached is worth a warning: when the user asked for it, or its socket is there.
    pub fn is_missed(&self, name: &str, socket: &Path) -> bool {
        let runtime = Runtime::value_variants().iter().find(|runtime| runtime.name() == name);
        let asked_for = runtime.is_some_and(|runtime| {
            let variable = || runtime.daemon().and_then(|daemon| std::env::var_os(daemon.variable)).is_some_and(|path| !path.is_empty());
            self.runtimes.as_ref().is_some_and(|named| named.contains(runtime)) || self.socket_of(*runtime).is_some() || variable()
        });
        asked_for || socket.exists() || host_path(socket).exists()
    }
}

#[cfg(test)]
mod tests;
