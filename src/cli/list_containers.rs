//! `gadgetry list-containers`: what runs, once or as it comes and goes.

mod columns;
mod output;
mod table;
#[cfg(test)]
mod tests;
mod warnings;
mod watch;

use std::io::{self, Write};
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::runtimes::RuntimeFlags;
use super::selection::SelectionFlags;
use crate::container::{Container, Inventory, Selector, oci, runtime};
use crate::kernel::host_path;
use columns::Format;
pub use table::Look;

/// Shown below `list-containers --help`.
pub(super) const EXAMPLES: &str = "\
Columns are the members of the JSON, in any case: runtime.containerName, k8s.podName, mntns, ...

Examples:
  gadgetry list-containers
  gadgetry list-containers -c web,db -o jsonpretty
  gadgetry list-containers -o columns=runtime.containername,k8s.podname,mntns
  gadgetry list-containers -r containerd --containerd-namespace k8s.io --k8s-namespace '!kube-system'
  gadgetry list-containers -w -r podman --podman-socketpath /run/user/1000/podman/podman.sock";

/// List the containers of this machine
#[derive(Debug, Clone, clap::Args)]
pub struct ListContainers {
    /// Output: columns, columns=NAME,..., json, jsonpretty or yaml
    #[arg(short, long, value_name = "FORMAT", default_value = "columns", value_parser = columns::parser())]
    pub output: Format,
    /// Keep printing containers that start and end
    #[arg(short, long)]
    pub watch: bool,
    /// Which containers are shown.
    #[command(flatten)]
    pub selection: SelectionFlags,
    /// Who is asked.
    #[command(flatten)]
    pub runtimes: RuntimeFlags,
    /// Accepted for compatibility; a listing has no host
    #[arg(long, hide = true)]
    pub host: bool,
    /// Ends --watch after so many seconds; 0: never
    #[arg(long, value_name = "SECONDS", hide = true, default_value_t = 0)]
    pub timeout: u64,
}

impl ListContainers {
    fn selector(&self) -> Selector {
        self.selection.selector(false)
    }
}

/// Runs the command for whoever reads it as plain text, and returns its exit code: 0, or 1 when the output could not be written.
/// A runtime that cannot be reached is a warning on `err`, as upstream.
pub async fn run(args: &ListContainers, out: &mut (dyn Write + Send), err: &mut (dyn Write + Send), cancel: CancellationToken) -> u8 {
    show(args, Look::default(), out, err, cancel).await
}

/// The same with a look of its own.
pub async fn show(
    args: &ListContainers,
    look: Look,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
    cancel: CancellationToken,
) -> u8 {
    let result = match args.watch {
        true => watch::run(args, look, out, err, cancel).await,
        false => once(args, look, out, err).await,
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

async fn once(args: &ListContainers, look: Look, out: &mut (dyn Write + Send), err: &mut (dyn Write + Send)) -> io::Result<()> {
    warnings::repeated(&args.runtimes, err)?;
    let inventory = Inventory::new();
    for unreachable in runtime::list(&inventory, &args.runtimes.settings()).await {
        warnings::unreachable(&args.runtimes, unreachable.name, &unreachable.socket, &unreachable.reason, err)?;
    }
    let snapshot = inventory.snapshot();
    let selector = args.selector();
    let is_wanted = |c: &&Container| args.runtimes.includes(&c.runtime.runtime_name) && selector.matches(c);
    let mut wanted: Vec<Container> = snapshot.running().filter(is_wanted).cloned().collect();
    sort(&mut wanted);
    if args.output.shows_configuration() {
        wanted.iter_mut().for_each(add_configuration);
    }
    output::list(&args.output, look, &wanted, out)
}

/// Reads the OCI configuration, which the inventory does not keep. One that cannot be read is left out: the container may be over.
fn add_configuration(container: &mut Container) {
    if container.oci_config.is_empty() && !container.bundle.is_empty() {
        container.oci_config = oci::config_text(&host_path(Path::new(&container.bundle))).unwrap_or_default();
    }
}

/// By runtime, then by name.
fn sort(containers: &mut [Container]) {
    let key = |c: &Container| (c.runtime.runtime_name.clone(), c.runtime.container_name.clone(), c.runtime.container_id.clone());
    containers.sort_by_cached_key(key);
}
