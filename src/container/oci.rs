//! Containers by what an OCI runtime is told and keeps: its command line, the bundle it works on, and its folder of states.

pub mod annotations;
pub mod command;
pub mod states;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::inventory::Inventory;
use super::process;
use super::record::Container;
use crate::kernel::host_path;

/// Most bytes of a `config.json` that are read: real ones have some ten thousand.
const CONFIG_LIMIT: u64 = 4 << 20;

/// What of a bundle's `config.json` tells whose container it is.
///
/// Source: OCI runtime specification, config.md.
#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// The text of the `config.json` in a bundle.
///
/// # Errors
/// When it cannot be read, or is longer than 4 MiB.
pub fn config_text(bundle: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(bundle.join("config.json"))?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no regular file"));
    }
    file.take(CONFIG_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > CONFIG_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {CONFIG_LIMIT} bytes")));
    }
    Ok(text)
}

/// What a bundle's configuration says of the container: the annotations of Kubernetes' runtimes and of Podman. `None` when it is no
/// configuration.
pub fn describe(config: &str) -> Option<Container> {
    let config: Config = serde_json::from_str(config).ok()?;
    Some(annotations::container(config.annotations.unwrap_or_default()))
}

/// Reads the containers that an OCI runtime keeps in its folder of states into the inventory, those that run. One that a daemon manages
/// is noted as seen only: the daemon knows better.
///
/// # Errors
/// When the folder is there but cannot be read.
pub(super) fn list(inventory: &Inventory, runtime: &str, root: &Path) -> io::Result<()> {
    for kept in states::read(&host_path(root))?.into_values().filter(|kept| kept.pid != 0) {
        let config = config_text(&host_path(&kept.bundle)).ok();
        let mut container = config.as_deref().and_then(describe).unwrap_or_default();
        container.bundle = kept.bundle.to_string_lossy().into_owned();
        container.runtime.container_id.clone_from(&kept.id);
        let is_plain = container.runtime.runtime_name.is_empty();
        if is_plain {
            container.runtime.runtime_name = runtime.to_owned();
            container.runtime.container_name = kept.id;
            container.runtime.container_started_at = states::started_at(kept.pid);
        }
        if inventory.snapshot().by_id(&container.key()).is_some_and(|entry| inventory.snapshot().is_running(entry)) {
            continue;
        }
        // Gone meanwhile, or another process has its number by now.
        let Ok(held) = process::inspect(&mut container, kept.pid) else { continue };
        inventory.update(|state| match is_plain {
            true => state.start(container, held),
            false => drop(state.seen(container, held)),
        });
    }
    Ok(())
}
