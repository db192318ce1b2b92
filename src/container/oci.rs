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

use super::record::Container;

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
