//! Operators: what happens to events between the kernel and the exporters. A folder each.

use crate::component::{BindError, Operator};

pub mod endpoints;
pub mod enrich;
pub mod filter;
pub mod format;
pub mod select;

/// An operator that configurations can name: a row of the table in `components.rs`.
pub struct OperatorKind {
    /// Key in the configuration.
    pub name: &'static str,
    /// `stable`, `beta` or `alpha`.
    pub stability: &'static str,
    /// JSON schema of its settings.
    pub schema: fn() -> schemars::Schema,
    /// Builds it from its settings; starts nothing.
    pub build: fn(&serde_json::Value) -> Result<Box<dyn Operator>, BindError>,
}
