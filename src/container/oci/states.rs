//! Containers of runc and crun that run already: their folders of states.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::kernel::{clock, procfs};

/// Folders of states, with the runtime that keeps them, when it is not told another one.
pub const ROOTS: [(&str, &str); 2] = [("runc", "/run/runc"), ("crun", "/run/crun")];

/// Most bytes of a state that are read.
const STATE_LIMIT: u64 = 4 << 20;
/// Most containers read of a folder.
const COUNT_LIMIT: usize = 20_000;

/// A container as its runtime keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Process id of its first process; 0 when the state does not tell.
    pub pid: u32,
    /// Folder of its bundle.
    pub bundle: PathBuf,
}

/// runc's `state.json`.
#[derive(Default, Deserialize)]
struct RuncState {
    #[serde(default)]
    init_process_pid: i64,
    #[serde(default)]
    config: RuncConfig,
}

#[derive(Default, Deserialize)]
struct RuncConfig {
    /// `bundle=/path` and the container's annotations, each as `key=value`.
    #[serde(default)]
    labels: Option<Vec<String>>,
}

/// crun's `status`.
#[derive(Default, Deserialize)]
struct CrunStatus {
    #[serde(default)]
    pid: i64,
    #[serde(default)]
    bundle: String,
}

/// The containers in a folder of states below `root`. A state that cannot be read is left out.
///
/// # Errors
/// When the folder is there but cannot be read.
pub fn read(root: &Path) -> io::Result<BTreeMap<String, Kept>> {
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let kept = entries.filter_map(Result::ok).take(COUNT_LIMIT).filter_map(|entry| one(&entry.path()));
    Ok(kept.map(|kept| (kept.id.clone(), kept)).collect())
}

fn one(folder: &Path) -> Option<Kept> {
    let id = folder.file_name()?.to_str()?.to_owned();
    let number = |pid: i64| u32::try_from(pid).unwrap_or(0);
    if let Ok(text) = text(&folder.join("state.json")) {
        let state: RuncState = serde_json::from_str(&text).ok()?;
        let labels = state.config.labels.unwrap_or_default();
        let bundle = labels.iter().find_map(|label| label.strip_prefix("bundle=")).unwrap_or_default();
        return Some(Kept { id, pid: number(state.init_process_pid), bundle: bundle.into() });
    }
    let status: CrunStatus = serde_json::from_str(&text(&folder.join("status")).ok()?).ok()?;
    Some(Kept { id, pid: number(status.pid), bundle: status.bundle.into() })
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(STATE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// When a process was started, in nanoseconds since the Unix epoch; 0 when it cannot be told.
pub fn started_at(pid: u32) -> i64 {
    let Ok(ticks) = procfs::start_time(pid) else { return 0 };
    let since_boot = (ticks as f64 / clock::ticks_per_second() * 1e9) as u64;
    clock::boot_to_unix(since_boot.max(1)) as i64
}
