//! Settings of the debug exporter.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::exporter::SettingError;

/// Settings of the debug exporter, which shows events on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much is shown.
    pub verbosity: Verbosity,
    /// How an event looks with verbosity normal.
    pub format: Format,
}

/// `verbosity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// At most one line per second: how many events there were.
    #[default]
    Basic,
    /// One line per event.
    Normal,
    /// Every field of every event, as indented JSON.
    Detailed,
}

/// `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A table.
    #[default]
    Columns,
    /// JSON objects.
    Json,
}

impl Config {
    /// The settings of `value`.
    ///
    /// # Errors
    /// When it does not fit the schema.
    pub fn read(value: &serde_json::Value) -> Result<Self, SettingError> {
        if value.is_null() {
            return Ok(Config::default());
        }
        Config::deserialize(value).map_err(|e| SettingError { path: String::new(), message: e.to_string() })
    }
}
