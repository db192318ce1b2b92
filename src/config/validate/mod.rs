//! Every check of a configuration, all in one go: first its shape against the schema, then what it means. The second
//! pass works on the tree, not on the typed model, so that it also speaks up beside errors of the first.

pub mod catalogue;
mod claims;
mod gadgets;
mod leaf;
mod mapping;
mod references;
mod walker;

use super::problem::Finding;
use super::schema;
use super::tree::Node;
use crate::components::Components;
use catalogue::Catalogue;
use walker::Walker;

/// Checks `root`, and brings values into the form the model wants. Gives all findings, in no order.
pub(super) fn check(root: &mut Node, components: &Components, catalogue: &dyn Catalogue) -> Vec<Finding> {
    if let Some(kind) = root.entry("kind") {
        let message = "manifests with a \"kind\", such as instance-spec, are not read yet: list the gadgets under \"gadgets\"";
        return vec![Finding::error(&kind.place, "kind", message)];
    }
    let schema = schema::schema(components);
    let mut walker = Walker::new(&schema);
    walker.check(root, &schema, "");
    let mut findings = walker.findings;
    references::check(root, components, &mut findings);
    claims::check(root, &mut findings);
    gadgets::check(root, components, catalogue, &mut findings);
    findings
}

/// Whether something is wrong at `path` or below it.
fn touched(findings: &[Finding], path: &str) -> bool {
    findings.iter().any(|f| f.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
}
