//! The one table of every operator and exporter compiled in.

use crate::component::ComponentId;
use crate::exporter::{ExporterKind, debug, file, otlp, prometheus};
use crate::operator::{OperatorKind, filter};

/// Operators that configurations can name.
pub const OPERATORS: &[OperatorKind] = &[filter::KIND];

/// Exporters that configurations can name.
pub const EXPORTERS: &[ExporterKind] = &[debug::KIND, file::KIND, otlp::grpc::KIND, otlp::http::KIND, prometheus::KIND];

/// Names of the OpenTelemetry Collector for exporters that have another name here.
pub const EXPORTER_ALIASES: &[(&str, &str)] = &[("otlp", "otlp_grpc"), ("otlphttp", "otlp_http")];

/// A set of kinds to look names up in.
#[derive(Clone, Copy)]
pub struct Components {
    /// Operators.
    pub operators: &'static [OperatorKind],
    /// Exporters.
    pub exporters: &'static [ExporterKind],
}

/// Everything compiled in.
pub const COMPILED_IN: Components = Components { operators: OPERATORS, exporters: EXPORTERS };

impl Components {
    /// The operator of that name.
    pub fn operator(&self, name: &str) -> Option<&'static OperatorKind> {
        self.operators.iter().find(|kind| kind.name == name)
    }

    /// The exporter of that type; aliases count.
    pub fn exporter(&self, kind: &str) -> Option<&'static ExporterKind> {
        let name = canonical(kind);
        self.exporters.iter().find(|kind| kind.name == name)
    }
}

/// The type an exporter has here, for a type that may be an alias.
pub fn canonical(kind: &str) -> &str {
    EXPORTER_ALIASES.iter().find(|(alias, _)| *alias == kind).map_or(kind, |(_, name)| name)
}

/// The id with its type made canonical, so that `otlp/a` and `otlp_grpc/a` are the same exporter.
pub fn canonical_id(id: &ComponentId) -> ComponentId {
    let text = match id.name() {
        Some(name) => format!("{}/{name}", canonical(id.kind())),
        None => canonical(id.kind()).to_owned(),
    };
    text.parse().unwrap_or_else(|_| id.clone())
}
