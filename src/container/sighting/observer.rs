//! Makes containers of sightings: the command line of the runtime tells which one is about to be made, its child's namespace that it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Sighting;
use crate::container::inventory::{Inventory, SeenNamespace};
use crate::container::oci::{self, command};
use crate::container::record::Container;
use crate::container::{process, units};
use crate::kernel::{clock, host_path};

/// How long after its runtime was started a container is waited for.
const PREPARED: Duration = Duration::from_secs(60);
/// How long the number of a runtime's process is taken for granted: the kernel gives it to another one at the earliest after 32,768 more.
const RECENT: Duration = Duration::from_secs(10);
/// Most containers that are waited for.
const MOST: usize = 4096;
/// Docker's namespace of containerd.
const DOCKERS: &str = "moby";
/// How the folder of the path of containerd's bundles begins behind which come the namespace and the id.
const CONTAINERD_TASKS: &str = "io.containerd.runtime.";

/// What is looked for beside the containers of engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Containers of OCI runtimes that no daemon manages.
    pub oci: bool,
    /// Units of systemd.
    pub systemd: bool,
}

/// See the module.
pub struct Observer {
    inventory: Arc<Inventory>,
    /// By the process of the runtime.
    prepared: HashMap<u32, Prepared>,
    /// Namespaces seen since the last publication.
    seen: Vec<SeenNamespace>,
    /// Whether there is something to publish that somebody may wait for.
    has_news: bool,
}

/// A container that a runtime is about to make.
struct Prepared {
    container: Container,
    /// Nobody but its runtime will ever tell of it.
    plain: bool,
    /// The runtime's own cgroup, which its children leave for that of the container.
    cgroup: u64,
    at: Instant,
    /// The mount namespace that its first process was seen in.
    entered: Option<u64>,
}

impl Prepared {
    /// Whether a process in this namespace whose parent has the number of the runtime is the container's. A first process has the runtime as
    /// its parent only until that ends; by then it has entered.
    fn is_of(&self, entered: &Entered, now: Instant) -> bool {
        let is_recent = now.saturating_duration_since(self.at) < RECENT;
        match self.entered {
            Some(mntns) => mntns == entered.mntns || (is_recent && !entered.settled),
            None => is_recent || !entered.settled,
        }
    }
}

impl Observer {
    /// An observer that has seen nothing.
    pub fn new(inventory: Arc<Inventory>) -> Self {
        Observer { inventory, prepared: HashMap::new(), seen: Vec::new(), has_news: false }
    }

    /// Lets readers see what was taken in. A container that is only about to be made can wait for the next news.
    pub fn publish(&mut self) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        self.inventory.publish();
        self.seen.drain(..).for_each(|seen| self.inventory.pass_gates(seen));
    }

    /// Takes in what was seen. Readers see it after [`Observer::publish`].
    pub fn observe(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::CgroupMade { id, path } => {
                if self.inventory.wanted().systemd {
                    units::note(&self.inventory, id, &path);
                }
                self.inventory.cgroups().add(id, &path);
            }
            Sighting::CgroupRemoved { id } => {
                self.inventory.cgroups().remove(id, Instant::now());
                self.has_news |= self.inventory.note(|state| state.emptied(id, 0, Instant::now()));
            }
            Sighting::CgroupEmpty { id, at } => {
                let unix_ns = clock::boot_to_unix(at) as i64;
                self.has_news |= self.inventory.note(|state| state.emptied(id, unix_ns, Instant::now()));
            }
            // A runtime inside of a container makes what is a part of that container.
            Sighting::Runtime { mntns, .. } if mntns != process::host_mntns() => {}
            Sighting::Runtime { pid, cgroup, arguments, .. } => self.prepare(pid, cgroup, &arguments),
            Sighting::Namespace { mntns, netns, pid, parent, cgroup, settled } => {
                self.enter(&Entered { mntns, netns, pid, cgroup, settled }, parent);
                self.seen.push(SeenNamespace { mntns, settled });
                self.has_news = true;
            }
        }
    }

    fn prepare(&mut self, pid: u32, cgroup: u64, arguments: &[u8]) {
        let Some(command) = command::parse(arguments) else { return };
        let now = Instant::now();
        if command.program == "conmon" {
            let mut container = Container::default();
            container.runtime.container_id = command.id;
            container.runtime.container_name = command.name;
            return self.inventory.note(|state| state.prepare(container));
        }
        let Some(bundle) = bundle_of(pid, command.bundle.as_deref()) else { return };
        let namespace = containerd_namespace(&bundle);
        // Docker writes nothing into its bundles that tells whose they are.
        let config = if namespace == DOCKERS { None } else { read_config(pid, &bundle) };
        let mut container = config.and_then(|config| oci::describe(&config)).unwrap_or_default();
        container.namespace = namespace;
        container.bundle = bundle.to_string_lossy().into_owned();
        container.runtime.container_id = command.id;
        let plain = container.runtime.runtime_name.is_empty() && container.namespace.is_empty();
        if plain {
            if !self.inventory.wanted().oci {
                return;
            }
            container.runtime.runtime_name = command.program;
            container.runtime.container_name.clone_from(&container.runtime.container_id);
        }
        self.prepared.retain(|_, prepared| now.saturating_duration_since(prepared.at) < PREPARED);
        if self.prepared.len() < MOST {
            self.prepared.insert(pid, Prepared { container: container.clone(), plain, cgroup, at: now, entered: None });
        }
        self.inventory.note(|state| state.prepare(container));
    }

    fn enter(&mut self, entered: &Entered, parent: u32) {
        let now = Instant::now();
        let prepared = self.prepared.get_mut(&parent).filter(|prepared| prepared.is_of(entered, now));
        if let Some(Prepared { container, plain, cgroup, entered: first, .. }) = prepared {
            *first = Some(entered.mntns);
            let mut container = container.clone();
            let held = entered.fill(&mut container, &self.inventory, *cgroup);
            container.runtime.container_pid = entered.pid;
            // Until its runtime says it more precisely.
            container.runtime.container_started_at = clock::unix_now() as i64;
            let (plain, key) = (*plain, container.key());
            return self.inventory.note(|state| {
                state.seen(container, held);
                if plain {
                    state.confirm(&key);
                }
            });
        }
        if self.inventory.note(|state| state.has_first(entered.mntns, entered.pid, entered.cgroup)) {
            return;
        }
        // Whose it is may be among what was just noted.
        self.inventory.publish();
        let path = self.inventory.cgroups().path(entered.cgroup);
        let Some(mut container) = path.and_then(|path| self.inventory.owner_in(&path, entered.cgroup)) else {
            return self.inventory.note(|state| state.vacate(entered.mntns, ""));
        };
        let held = entered.fill(&mut container, &self.inventory, 0);
        // Of which nobody knows whether it is the first.
        container.runtime.container_pid = 0;
        self.inventory.note(|state| state.seen(container, held));
    }
}

/// A process in a mount namespace that is new.
struct Entered {
    mntns: u64,
    netns: u64,
    pid: u32,
    cgroup: u64,
    settled: bool,
}

impl Entered {
    /// Fills in namespaces and cgroup, unless that is still the `runtimes` own. Reads as little of `/proc` as can be: a process's cgroups
    /// are behind a lock that the kernel holds for tens of milliseconds while others start.
    fn fill(&self, container: &mut Container, inventory: &Inventory, runtimes: u64) -> Option<process::Held> {
        (container.mntns, container.netns) = (self.mntns, self.netns);
        container.host_network = process::host_netns() == Some(self.netns);
        if self.cgroup != runtimes {
            let path = inventory.cgroups().path(self.cgroup);
            path.iter().for_each(|path| process::set_watched(container, path, self.cgroup));
        }
        process::Held::open(self.pid, self.mntns)
    }
}

/// Where a bundle is, as the runtime's process sees it.
fn bundle_of(pid: u32, told: Option<&Path>) -> Option<PathBuf> {
    match told {
        Some(bundle) if bundle.is_absolute() => Some(bundle.to_owned()),
        relative => Some(std::fs::read_link(process_folder(pid).join("cwd")).ok()?.join(relative.unwrap_or(Path::new(".")))),
    }
}

/// The configuration in a bundle.
fn read_config(pid: u32, bundle: &Path) -> Option<String> {
    let seen = process_folder(pid).join("root").join(bundle.strip_prefix("/").ok()?);
    // The process may be over already.
    oci::config_text(&seen).or_else(|_| oci::config_text(&host_path(bundle))).ok()
}

fn process_folder(pid: u32) -> PathBuf {
    host_path(Path::new("/proc")).join(pid.to_string())
}

/// The namespace of containerd whose bundle this is; empty for others.
fn containerd_namespace(bundle: &Path) -> String {
    let mut parts = bundle.iter().map(|part| part.to_string_lossy()).skip_while(|part| !part.starts_with(CONTAINERD_TASKS)).skip(1);
    parts.next().map(|namespace| namespace.into_owned()).unwrap_or_default()
}
