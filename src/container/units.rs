//! Units of systemd as containers, for those who want that: a service is told by its cgroup, for most have the host's namespaces.

use std::path::{Path, PathBuf};

use super::inventory::Inventory;
use super::process;
use super::record::Container;
use crate::kernel::cgroupfs;

/// Name of this runtime.
pub const NAME: &str = "systemd";
/// Cgroups that are looked through for units that run already.
const MOST: usize = 65_536;
/// How deep units are nested: those of users are in slices in the unit of their manager.
const DEPTH: usize = 10;

/// Notes the unit whose cgroup was made, if it is one.
pub(super) fn note(inventory: &Inventory, id: u64, path: &str) {
    if let Some(container) = unit(id, path) {
        inventory.update(|state| state.start(container, None));
    }
}

/// Notes the units that run.
pub(super) fn list(inventory: &Inventory) {
    let Some(mount) = process::unified_mount() else { return };
    let mut folders = vec![(mount.to_owned(), 0)];
    let mut looked_at = 0;
    while let Some((folder, depth)) = folders.pop() {
        looked_at += 1;
        if depth > 0
            && let Some(path) = below(mount, &folder)
            && cgroupfs::is_populated(&folder)
        {
            note(inventory, cgroupfs::id_of(&folder).unwrap_or(0), &path);
        }
        if depth < DEPTH && looked_at < MOST {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
            folders.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| (e.path(), depth + 1)));
        }
    }
}

fn below(mount: &Path, folder: &Path) -> Option<String> {
    let path: PathBuf = Path::new("/").join(folder.strip_prefix(mount).ok()?);
    path.to_str().map(str::to_owned)
}

/// `/system.slice/ssh.service`, `/user.slice/user-0.slice/user@0.service/app.slice/x.service`. A unit's own groups belong to it.
fn unit(id: u64, path: &str) -> Option<Container> {
    let name = path.rsplit('/').next().filter(|name| name.ends_with(".service"))?;
    if id == 0 || !path.split('/').any(|part| part.ends_with(".slice")) {
        return None;
    }
    let mut container = Container { namespace: NAME.to_owned(), ..Container::default() };
    container.runtime.runtime_name = NAME.to_owned();
    container.runtime.container_id = name.to_owned();
    container.runtime.container_name = name.to_owned();
    process::set_watched(&mut container, path, id);
    Some(container)
}
