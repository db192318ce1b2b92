//! Exporters, an operator and gadgets that do nothing.

use std::sync::Arc;

use serde_json::Value;

use crate::batch::{Batch, SchemaBuilder};
use crate::component::{BindError, ExporterService, MetricSpec, Operator, nearest};
use crate::components::Components;
use crate::config::OperatorPlan;
use crate::config::validate::catalogue::{Catalogue, Catalogues, Facts, Unavailable};
use crate::exporter::{BuildError, ExporterContext, ExporterKind, SettingError};
use crate::image::{Pull, Settings};
use crate::operator::OperatorKind;

pub const COMPONENTS: Components = Components {
    operators: &[OperatorKind { name: "filter", stability: "stable", schema: || schemars::schema_for!(String), build: build_filter }],
    exporters: &[
        ExporterKind { name: "file", stability: "stable", schema: || schemars::schema_for!(FileSettings), check: check_file, build },
        ExporterKind { name: "prometheus", stability: "stable", schema: || schemars::schema_for!(Listen), check: |_| Vec::new(), build },
        ExporterKind { name: "otlp_grpc", stability: "stable", schema: || schemars::schema_for!(Send), check: |_| Vec::new(), build },
    ],
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct FileSettings {
    path: String,
    rotation: Option<Rotation>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Rotation {
    max_backups: u8,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Listen {
    #[serde(default)]
    endpoint: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Send {
    endpoint: String,
    compression: Option<Compression>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Compression {
    /// No compression.
    None,
    /// With it.
    Gzip,
}

fn check_file(settings: &Value) -> Vec<SettingError> {
    match settings["path"].as_str() {
        Some(path) if !path.starts_with('/') => vec![SettingError { path: "path".to_owned(), message: "must be absolute".to_owned() }],
        _ => Vec::new(),
    }
}

fn build(_: &Value, _: &ExporterContext) -> Result<Arc<dyn ExporterService>, BuildError> {
    unreachable!("validation builds no exporter")
}

struct Nothing;

impl Operator for Nothing {
    fn bind(&mut self, _: &mut SchemaBuilder) -> Result<(), BindError> {
        Ok(())
    }

    fn process(&mut self, _: &mut Batch) {}
}

fn build_filter(settings: &Value) -> Result<Box<dyn Operator>, BindError> {
    match settings.as_str() {
        Some(text) if text.contains("!!") => Err(BindError::Invalid("unexpected \"!\"".to_owned())),
        _ => Ok(Box::new(Nothing)),
    }
}

/// Knows `trace_exec` and `trace_open`, each with the parameter `ignore-failed` and the field `proc.comm`.
pub struct Gadgets;

impl Catalogues for Gadgets {
    fn with(&self, _: &Settings, _: bool) -> Box<dyn Catalogue> {
        Box::new(Gadgets)
    }
}

impl Catalogue for Gadgets {
    fn gadget(&self, image: &str, _: &str, _: Option<Pull>) -> Result<Box<dyn Facts>, Unavailable> {
        let names = ["trace_exec", "trace_open"];
        if names.contains(&image) {
            return Ok(Box::new(Tracer));
        }
        Err(Unavailable { message: format!("no gadget image {image:?}"), hint: nearest(image, names).map(str::to_owned), later: false })
    }
}

struct Tracer;

impl Facts for Tracer {
    fn params(&self) -> Vec<String> {
        vec!["ignore-failed".to_owned(), "pid".to_owned()]
    }

    fn check_param(&self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "ignore-failed" => value.parse::<bool>().map(drop).map_err(|_| format!("{value:?} is not true or false")),
            _ => value.parse::<u32>().map(drop).map_err(|_| format!("{value:?} is not a number")),
        }
    }

    fn check_operators(&self, operators: &[OperatorPlan]) -> Vec<(Option<usize>, String)> {
        let unknown = |o: &OperatorPlan| o.kind == "filter" && !o.settings.as_str().unwrap_or_default().starts_with("proc.comm");
        operators.iter().enumerate().filter(|(_, o)| unknown(o)).map(|(i, _)| (Some(i), "no such field".to_owned())).collect()
    }

    fn check_metric(&self, metric: &MetricSpec, _: &[OperatorPlan]) -> Result<(), String> {
        if metric.attributes.iter().all(|a| a == "proc.comm") { Ok(()) } else { Err("no such field".to_owned()) }
    }
}
