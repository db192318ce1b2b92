//! Settings of the file exporter, under the Collector's names.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::exporter::sender::units;
use crate::exporter::{SettingError, Settings};

const MEGABYTE: u64 = 1 << 20;
/// Every backup is renamed at a rotation.
const MOST_BACKUPS: u32 = 1000;

/// Settings of the file exporter: one JSON object per line and event.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file. Its directory must exist; the file is made with mode 0600.
    pub path: PathBuf,
    /// When and how old content is put aside; without it the file grows.
    #[serde(default)]
    pub rotation: Option<Rotation>,
    /// Whether to keep what is in the file at the start.
    #[serde(default = "yes")]
    pub append: bool,
    /// How events are written; only json.
    #[serde(default)]
    pub format: Format,
    /// Only none: lines are for reading while they are being written.
    #[serde(default)]
    pub compression: Compression,
    /// Accepted for the Collector's sake: every batch is written at once, so nothing waits to be flushed.
    #[serde(default = "second", with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub flush_interval: Duration,
}

/// `rotation`. Backups are called `<file>.1` (the newest) to `<file>.<max_backups>`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// Most bytes in a file, with a unit: 100MiB. A longer line has a file for itself.
    #[serde(deserialize_with = "size")]
    #[schemars(schema_with = "units::size_schema")]
    pub max_size: Option<u64>,
    /// The same in MiB, the Collector's way; 100 when neither is given.
    pub max_megabytes: Option<u64>,
    /// Most backups kept; 100 when not given.
    pub max_backups: Option<u32>,
    /// Backups older than so many days are removed at the next rotation; 0 keeps them.
    pub max_days: u32,
}

/// `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON lines.
    #[default]
    Json,
}

/// `compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// None.
    #[default]
    None,
}

fn yes() -> bool {
    true
}

fn second() -> Duration {
    Duration::from_secs(1)
}

fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    units::size::deserialize(deserializer).map(Some)
}

impl Rotation {
    /// Most bytes in a file.
    pub fn limit(&self) -> u64 {
        let megabytes = self.max_megabytes.unwrap_or(100).saturating_mul(MEGABYTE);
        self.max_size.unwrap_or(megabytes)
    }

    /// Most backups kept.
    pub fn backups(&self) -> u32 {
        self.max_backups.unwrap_or(100)
    }

    /// The age at which a backup goes.
    pub fn age(&self) -> Option<Duration> {
        (self.max_days > 0).then(|| Duration::from_secs(u64::from(self.max_days) * 86_400))
    }

    fn problems(&self) -> Vec<SettingError> {
        let mut problems = Vec::new();
        let mut add = |path: &str, message: &str| problems.push(SettingError { path: path.to_owned(), message: message.to_owned() });
        if self.max_size.is_some() && self.max_megabytes.is_some() {
            add("rotation.max_size", "give either max_size or max_megabytes");
        }
        if self.limit() == 0 {
            add("rotation.max_size", "a file needs room for at least one byte");
        }
        if !(1..=MOST_BACKUPS).contains(&self.backups()) {
            add("rotation.max_backups", "must be between 1 and 1000");
        }
        problems
    }
}

impl Settings for Config {
    fn problems(&self) -> Vec<SettingError> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() {
            problems.push(SettingError { path: "path".to_owned(), message: "must name a file".to_owned() });
        }
        problems.extend(self.rotation.iter().flat_map(Rotation::problems));
        problems
    }
}
