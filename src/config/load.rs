//! From a path to a plan: read, merge the layers, check everything, resolve.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::layers;
use super::model::CollectorConfig;
use super::place::Place;
use super::plan::Plan;
use super::problem::{ConfigErrors, Finding, Severity, problems};
use super::read::read;
use super::resolve::resolve;
use super::tree::Node;
use super::validate::{self, catalogue::Catalogue};
use crate::components::Components;

/// The plan of the file at `path` and all it includes, for the kinds of `components` and the gadgets of `catalogue`.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_with(path: &Path, environment: &Environment, components: &Components, catalogue: &dyn Catalogue) -> Result<Plan, ConfigErrors> {
    let mut reading = read(path, environment);
    let mut findings = std::mem::take(&mut reading.findings);
    let config = reading.root.and_then(|files| {
        let mut root = layers::merge(files, environment, &mut findings);
        findings.extend(validate::check(&mut root, components, catalogue));
        typed(&root, &mut findings)
    });
    let plan = config.and_then(|config| match resolve(config) {
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
