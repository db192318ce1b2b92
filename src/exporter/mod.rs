//! Exporters: where events leave. A folder each.

use std::sync::Arc;

use crate::component::{ComponentId, ExporterService};

pub mod debug;
pub mod file;
pub mod json;
pub mod listeners;
pub mod otlp;
pub mod prometheus;
pub mod sender;
pub mod series;
pub mod table;
pub mod terminal;

/// What an exporter is built with besides its settings.
#[derive(Clone)]
pub struct ExporterContext {
    /// Its id in the configuration.
    pub id: ComponentId,
    /// The runtime its control-plane tasks run on.
    pub runtime: tokio::runtime::Handle,
    /// Sockets this process listens on, shared with the exporters that a reload replaces.
    pub listeners: Arc<listeners::Listeners>,
    /// Resource attributes of the collector itself: `service.name`, `host.name`, … and `OTEL_RESOURCE_ATTRIBUTES`.
    pub resource: Arc<Vec<(String, String)>>,
}

/// A setting that an exporter cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SettingError {
    /// Where, as dotted keys below the exporter.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why an exporter could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its settings.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Something it needs from the system: `doing` says what was done to what.
    #[error("{doing}")]
    System {
        /// For instance "listen on 127.0.0.1:9464".
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Settings that a schema alone cannot judge.
pub trait Settings: serde::de::DeserializeOwned {
    /// Everything that is wrong although it fits the schema.
    fn problems(&self) -> Vec<SettingError>;

    /// Reads settings that fit the schema.
    ///
    /// # Errors
    /// What does not fit after all.
    fn read(value: &serde_json::Value) -> Result<Self, SettingError> {
        Self::deserialize(value).map_err(|e| SettingError { path: String::new(), message: e.to_string() })
    }

    /// As [`ExporterKind::check`].
    fn check(value: &serde_json::Value) -> Vec<SettingError> {
        match Self::read(value) {
            Ok(settings) => settings.problems(),
            Err(error) => vec![error],
        }
    }

    /// Reads settings that have no problems.
    ///
    /// # Errors
    /// The first problem.
    fn sound(value: &serde_json::Value) -> Result<Self, SettingError> {
        let settings = Self::read(value)?;
        settings.problems().into_iter().next().map_or(Ok(settings), Err)
    }
}

/// Starts an exporter from settings that passed its checks.
pub type Build = fn(&serde_json::Value, &ExporterContext) -> Result<Arc<dyn ExporterService>, BuildError>;

/// An exporter that configurations can name: a row of the table in `components.rs`.
pub struct ExporterKind {
    /// Type in the configuration.
    pub name: &'static str,
    /// `stable`, `beta` or `alpha`.
    pub stability: &'static str,
    /// JSON schema of its settings.
    pub schema: fn() -> schemars::Schema,
    /// Checks settings that already fit the schema; builds nothing, touches nothing.
    pub check: fn(&serde_json::Value) -> Vec<SettingError>,
    /// Starts it.
    pub build: Build,
}
