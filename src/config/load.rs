//! From a path to a plan: read, merge the layers, check everything, resolve.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::MAX_DEPTH;
use super::environment::Environment;
use super::layers;
use super::model::CollectorConfig;
use super::opened::Access;
use super::place::Place;
use super::plan::Plan;
use super::problem::{ConfigErrors, Finding, Severity, problems};
use super::read::read;
use super::resolve::resolve;
use super::tree::Node;
use super::validate::{self, catalogue::Catalogues};
use crate::components::{COMPILED_IN, Components};

/// The plan of the file at `path` and all it includes, for what is compiled in. Images are opened, and pulled where `access` and the
/// configuration say so. Blocks.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(path: &Path, environment: &Environment, access: &Access) -> Result<Plan, ConfigErrors> {
    load_with(path, environment, &COMPILED_IN, access)
}

/// The plan of the file at `path` and all it includes, for the kinds of `components` and the gadgets of `catalogues`.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_with(
    path: &Path,
    environment: &Environment,
    components: &Components,
    catalogues: &dyn Catalogues,
) -> Result<Plan, ConfigErrors> {
    let mut reading = read(path, environment);
    let mut findings = std::mem::take(&mut reading.findings);
    let config = reading.root.and_then(|files| {
        let mut root = layers::merge(files, environment, &mut findings);
        let checked = validate::check(&mut root, components, catalogues);
        findings.extend(checked.findings);
        Some((typed(&root, &mut findings)?, checked.images?, checked.digests))
    });
    let plan = config.and_then(|(config, images, digests)| match resolve(config, images, &digests) {
        Ok(plan) => Some(plan),
        Err(expected) => {
            findings.push(Finding::error(&Place::Default, "", format!("cannot resolve the configuration: expected {expected}")));
            None
        }
    });
    let watched = unique(reading.watched);
    let problems = problems(findings, &reading.sources);
    match plan {
        Some(plan) => Ok(Plan { watched, warnings: problems, ..plan }),
        None => Err(ConfigErrors { problems, watched }),
    }
}

/// The configuration of the file at `path` as YAML, as it is in effect: includes, environment and defaults merged.
/// Values of headers and of substitutions inside of them are left out.
///
/// # Errors
/// Everything that keeps it from being read; it is not checked further.
pub fn view(path: &Path, environment: &Environment) -> Result<String, ConfigErrors> {
    let mut reading = read(path, environment);
    let mut findings = std::mem::take(&mut reading.findings);
    let root = reading.root.map(|files| layers::merge(files, environment, &mut findings));
    let failed = findings.iter().any(|f| f.severity == Severity::Error);
    let text = root.filter(|_| !failed).map(|root| {
        let mut value = root.to_json();
        redact(&mut value, 0);
        serde_saphyr::to_string(&value)
    });
    match text {
        Some(Ok(text)) => return Ok(text),
        Some(Err(error)) => findings.push(Finding::error(&Place::Default, "", format!("cannot write the configuration as YAML: {error}"))),
        None => {}
    }
    Err(ConfigErrors { problems: problems(findings, &reading.sources), watched: unique(reading.watched) })
}

/// Replaces the values of everything called `headers`.
fn redact(value: &mut Value, depth: usize) {
    match value {
        Value::Object(object) if depth <= MAX_DEPTH => {
            for (key, value) in object.iter_mut() {
                match value {
                    Value::Object(headers) if key == "headers" => headers.values_mut().for_each(|v| *v = "[redacted]".into()),
                    _ => redact(value, depth + 1),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, depth + 1)),
        _ => {}
    }
}

/// The typed configuration, when nothing is wrong.
fn typed(root: &Node, findings: &mut Vec<Finding>) -> Option<CollectorConfig> {
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return None;
    }
    match serde_json::from_value(root.to_json()) {
        Ok(config) => Some(config),
        Err(error) => {
            findings.push(Finding::error(&root.place, "", format!("cannot use the configuration: {error}")));
            None
        }
    }
}

fn unique(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths.dedup();
    paths
}
