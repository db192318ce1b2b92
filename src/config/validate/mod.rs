//! Every check of a configuration, all in one go: first its shape against the schema, then what it means. The second
//! pass works on the tree, not on the typed model, so that it also speaks up beside errors of the first.

pub mod catalogue;
mod claims;
mod gadgets;
mod images;
mod leaf;
mod mapping;
mod references;
mod walker;

use std::collections::BTreeMap;

use super::kubernetes;
use super::problem::Finding;
use super::schema;
use super::tree::Node;
use crate::components::Components;
use crate::image::Settings;
use catalogue::Catalogues;
use walker::Walker;

/// What the checks found out.
#[derive(Default)]
pub(super) struct Checked {
    /// What is wrong, in no order.
    pub findings: Vec<Finding>,
    /// How images are found, pulled and checked, when that can be told.
    pub images: Option<Settings>,
    /// The digest of each gadget's image, by the gadget's name.
    pub digests: BTreeMap<String, String>,
}

/// Checks `root`, and brings values into the form the model wants.
pub(super) fn check(root: &mut Node, components: &Components, catalogues: &dyn Catalogues) -> Checked {
    if let Some(kind) = root.entry("kind") {
        let message = "manifests with a \"kind\", such as instance-spec, are not read yet: list the gadgets under \"gadgets\"";
        return Checked { findings: vec![Finding::error(&kind.place, "kind", message)], ..Checked::default() };
    }
    let schema = schema::schema(components);
    let mut walker = Walker::new(&schema);
    walker.check(root, &schema, "");
    let mut findings = walker.findings;
    references::check(root, components, &mut findings);
    claims::check(root, &mut findings);
    let images = images::check(root, catalogues.data_dir(), &mut findings);
    let catalogue = images.as_ref().map(|settings| catalogues.with(settings, kubernetes::wanted(root)));
    let digests = gadgets::check(root, components, catalogue.as_deref(), &mut findings);
    Checked { findings, images, digests }
}

/// Whether something is wrong at `path` or below it.
fn touched(findings: &[Finding], path: &str) -> bool {
    findings.iter().any(|f| f.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
}
