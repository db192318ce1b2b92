//! Sees a container between its cgroup's creation and its first program: while the OCI runtime still prepares it, its mount
//! namespace is there already. Engines tell of a start too late for containers that live some milliseconds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use notify::event::{CreateKind, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::inventory::Inventory;
use super::process::{self, CgroupOwner};

/// Cgroups below which engines make those of their containers: with the cgroupfs driver, with the systemd driver.
const PARENTS: [&str; 3] = ["docker", "system.slice", "machine.slice"];
/// How often and how many times a new cgroup is looked at until a process with its own mount namespace is in it.
const LOOK: (Duration, u32) = (Duration::from_millis(1), 2_000);
/// New cgroups looked at together. More are left to the engine's word.
const LOOKS: usize = 64;
/// Creations not yet handled.
const QUEUE: usize = 4096;

/// Adds containers to the inventory as their cgroups appear. Never ends; does nothing where cgroup v2 is not mounted.
pub(super) async fn watch(inventory: &Inventory) {
    // Without the host's namespace, the OCI runtime's own process could be taken for the container's.
    let mount = process::unified_mount().filter(|_| process::host_mntns() != 0);
    let Some(mount) = mount else { return std::future::pending().await };
    let (sender, mut created) = mpsc::channel(QUEUE);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| forward(event, &sender));
    let watched = watcher.and_then(|mut watcher| watcher.watch(mount, RecursiveMode::NonRecursive).map(|()| watcher));
    let mut watcher = match watched {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(error = %error, "cgroups cannot be watched, containers that end at once may stay unnamed");
            return std::future::pending().await;
        }
    };
    PARENTS.iter().for_each(|name| watch_parent(&mut watcher, &mount.join(name)));
    let mut looks = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(path) = created.recv() => {
                for path in children_or_self(&mut watcher, mount, path) {
                    if let Some(owner) = process::owner_of(&path).filter(|_| looks.len() < LOOKS) {
                        looks.push(look(inventory, owner, path));
                    }
                }
            }
            Some(()) = looks.next() => {}
            // The watcher is gone, which its holder prevents.
            else => return std::future::pending().await,
        }
    }
}

fn forward(event: notify::Result<notify::Event>, to: &mpsc::Sender<PathBuf>) {
    if let Ok(notify::Event { kind: EventKind::Create(CreateKind::Folder), paths, .. }) = event {
        // A full queue means a storm of cgroups: the engine's events tell of the containers among them.
        paths.into_iter().for_each(|path| drop(to.try_send(path)));
    }
}

/// For a new parent: starts to watch it and returns what is in it by now. For everything else: itself.
fn children_or_self(watcher: &mut RecommendedWatcher, mount: &Path, path: PathBuf) -> Vec<PathBuf> {
    let is_parent = path.parent() == Some(mount) && PARENTS.iter().any(|name| path.ends_with(name));
    if !is_parent {
        return vec![path];
    }
    watch_parent(watcher, &path);
    let children = std::fs::read_dir(&path).into_iter().flatten().filter_map(Result::ok);
    children.map(|child| child.path()).take(QUEUE).collect()
}

fn watch_parent(watcher: &mut RecommendedWatcher, path: &Path) {
    if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
        tracing::debug!(path = %path.display(), error = %error, "cgroup not watched");
    }
}

async fn look(inventory: &Inventory, owner: CgroupOwner, cgroup: PathBuf) {
    let processes = cgroup.join("cgroup.procs");
    for _ in 0..LOOK.1 {
        // Gone again: the container was over sooner than we were.
        let Ok(pids) = std::fs::read_to_string(&processes) else { return };
        if pids.lines().take(8).filter_map(|pid| pid.parse().ok()).any(|pid| note(inventory, &owner, pid)) {
            return;
        }
        tokio::time::sleep(LOOK.0).await;
    }
}

/// Whether the process has left the host's mount namespace; if so its container is in the inventory.
fn note(inventory: &Inventory, owner: &CgroupOwner, pid: u32) -> bool {
    let mut container = owner.container();
    let Ok(held) = process::inspect(&mut container, pid) else { return false };
    // A helper of the OCI runtime perhaps, not the first process.
    container.runtime.container_pid = 0;
    inventory.update(|state| state.seen(container, held));
    true
}
