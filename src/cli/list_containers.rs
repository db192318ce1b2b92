//! `gadgetry list-containers`: what runs, once or as it comes and goes.

mod output;
#[cfg(test)]
mod tests;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::container::runtime::docker;
use crate::container::{Container, Inventory, Selector, Terms};
use output::Format;

/// List the containers of this machine
#[derive(Debug, Clone, clap::Args)]
pub struct ListContainers {
    /// Output: columns, columns=NAME,..., json, jsonpretty or yaml
    #[arg(short, long, default_value = "columns")]
    pub output: Format,
    /// Keep printing containers that start and end
    #[arg(short, long)]
    pub watch: bool,
    /// Container runtimes to ask
    #[arg(short, long, value_delimiter = ',', default_value = "docker", value_parser = ["docker"])]
    pub runtimes: Vec<String>,
    /// Docker Engine API unix socket [default: /run/docker.sock]
    #[arg(long, value_name = "PATH", env = docker::SOCKET_VARIABLE)]
    pub docker_socketpath: Option<PathBuf>,
    /// Only containers with these names; !NAME excludes
    #[arg(short, long, value_name = "NAME,...", default_value = "", hide_default_value = true, alias = "runtime-containername")]
    pub containername: Terms,
    /// Only containers of these pods; !NAME excludes
    #[arg(long, value_name = "NAME,...", default_value = "", hide_default_value = true)]
    pub k8s_podname: Terms,
    /// Only containers in these Kubernetes namespaces; !NAME excludes
    #[arg(long, value_name = "NAME,...", default_value = "", hide_default_value = true)]
    pub k8s_namespace: Terms,
    /// Only containers with these names in their pods; !NAME excludes
    #[arg(long, value_name = "NAME,...", default_value = "", hide_default_value = true)]
    pub k8s_containername: Terms,
    /// Accepted for compatibility; a listing has no host
    #[arg(long, hide = true)]
    pub host: bool,
    /// Ends --watch after so many seconds; 0: never
    #[arg(long, hide = true, default_value_t = 0)]
    pub timeout: u64,
}

impl ListContainers {
    /// Whether the flags select this container.
    fn wants(&self, container: &Container) -> bool {
        let selector = Selector { namespaces: self.k8s_namespace.clone(), pods: self.k8s_podname.clone(), ..Selector::default() };
        selector.matches(container)
            && self.containername.matches_any([container.runtime.container_name.as_str()])
            && self.k8s_containername.matches_any([container.k8s.container_name.as_str()])
    }
}

/// Runs the command and returns its exit code: 0, or 1 when the output could not be written. A runtime that cannot be
/// reached is a warning on `err`, as upstream.
pub async fn run(args: &ListContainers, out: &mut (dyn Write + Send), err: &mut (dyn Write + Send), cancel: CancellationToken) -> u8 {
    let result = match args.watch {
        true => watch::run(args, out, err, cancel).await,
        false => once(args, out, err).await,
    };
    match result {
        // Whoever closed the pipe has seen enough.
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(err, "Error: write the list of containers: {error}");
            1
        }
    }
}

async fn once(args: &ListContainers, out: &mut (dyn Write + Send), err: &mut (dyn Write + Send)) -> io::Result<()> {
    let inventory = Inventory::new();
    load(args, &inventory, err).await?;
    let snapshot = inventory.snapshot();
    let mut wanted: Vec<&Container> = snapshot.running().filter(|c| args.wants(c)).collect();
    sort(&mut wanted);
    output::list(&args.output, &wanted, out)
}

async fn load(args: &ListContainers, inventory: &Arc<Inventory>, err: &mut (dyn Write + Send)) -> io::Result<()> {
    let socket = docker::socket_path(args.docker_socketpath.as_deref());
    if args.runtimes.iter().any(|runtime| runtime == docker::NAME)
        && let Err(error) = docker::list(inventory, &socket).await
    {
        writeln!(err, "Warning: docker at {} cannot be reached: {}", socket.display(), error.full())?;
    }
    Ok(())
}

/// By runtime, then by name.
fn sort(containers: &mut [&Container]) {
    containers.sort_by(|a, b| {
        let key = |c: &Container| (c.runtime.runtime_name.clone(), c.runtime.container_name.clone());
        key(a).cmp(&key(b))
    });
}
