//! Checks of gadgets against what the gadgets themselves say: image, parameters, operators, metrics.

use std::collections::BTreeMap;

use super::super::place::Place;
use super::super::plan::OperatorPlan;
use super::super::problem::Finding;
use super::super::tree::Node;
use super::catalogue::{Catalogue, Facts, Unavailable};
use super::touched;
use crate::component::{MetricSpec, nearest};
use crate::components::Components;
use crate::container::Selector;
use crate::image::Pull;

/// Checks each gadget whose shape is right; gives the digests of their images. Without a catalogue only what needs none is checked.
pub fn check(
    root: &Node,
    components: &Components,
    catalogue: Option<&dyn Catalogue>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let mut digests = BTreeMap::new();
    for (index, gadget) in root.get("gadgets").map(Node::items).unwrap_or_default().iter().enumerate() {
        let path = format!("gadgets[{index}]");
        build_operators(gadget, &path, components, findings);
        check_selector(gadget, &path, findings);
        let (Some(image), Some(catalogue)) = (gadget.get("image"), catalogue) else { continue };
        let Some(reference) = image.as_str().filter(|text| !text.is_empty()) else { continue };
        let name = gadget.get("name").and_then(Node::as_str).unwrap_or(reference);
        match catalogue.gadget(reference, name, pull(gadget)) {
            Ok(facts) => {
                check_one(gadget, &path, facts.as_ref(), findings);
                digests.extend(facts.digest().map(|digest| (name.to_owned(), digest)));
            }
            Err(Unavailable { message, hint, later }) => {
                let finding = if later { Finding::warning } else { Finding::error };
                findings.push(finding(&image.place, &format!("{path}.image"), message).meant(hint.as_deref()));
            }
        }
    }
    digests
}

/// When the node says that images are pulled.
fn pull(node: &Node) -> Option<Pull> {
    serde_json::from_value(node.get("pull")?.to_json()).ok()
}

/// Builds each operator from its settings, once they fit its schema.
fn build_operators(gadget: &Node, path: &str, components: &Components, findings: &mut Vec<Finding>) {
    for (index, (operator, place)) in operators(gadget).into_iter().enumerate() {
        let at = format!("{path}.operators[{index}]");
        let Some(kind) = components.operator(&operator.kind).filter(|_| !touched(findings, &at)) else { continue };
        if let Err(error) = (kind.build)(&operator.settings) {
            findings.push(Finding::error(place, &format!("{at}.{}", operator.kind), format!("{}: {error}", operator.kind)));
        }
    }
}

/// Reads the conditions on containers, once they fit the schema: they have a small grammar of their own.
fn check_selector(gadget: &Node, path: &str, findings: &mut Vec<Finding>) {
    let at = format!("{path}.containers");
    let Some(node) = gadget.get("containers").filter(|node| !node.is_null() && !touched(findings, &at)) else { return };
    if let Err(error) = serde_json::from_value::<Selector>(node.to_json()) {
        findings.push(Finding::error(&node.place, &at, format!("{at}: {error}")));
    }
}

fn check_one(gadget: &Node, path: &str, facts: &dyn Facts, findings: &mut Vec<Finding>) {
    check_params(gadget, path, facts, findings);
    let operators = operators(gadget);
    let plans: Vec<OperatorPlan> = operators.iter().map(|(plan, _)| plan.clone()).collect();
    if touched(findings, &format!("{path}.operators")) {
        return;
    }
    let wrong = facts.check_operators(&plans);
    let bound = wrong.is_empty();
    for (index, message) in wrong {
        let operator = index.and_then(|index| Some((index, operators.get(index)?)));
        findings.push(match operator {
            Some((index, (plan, place))) => {
                let kind = &plan.kind;
                Finding::error(place, &format!("{path}.operators[{index}].{kind}"), format!("{kind}: {message}"))
            }
            None => Finding::error(&gadget.place, path, format!("the gadget's fields cannot be used: {message}")),
        });
    }
    for (index, node) in gadget.get("metrics").map(Node::items).unwrap_or_default().iter().enumerate().filter(|_| bound) {
        let at = format!("{path}.metrics[{index}]");
        let Ok(metric) = serde_json::from_value::<MetricSpec>(node.to_json()) else { continue };
        if let Err(message) = facts.check_metric(&metric, &plans) {
            findings.push(Finding::error(&node.place, &at, format!("metric {:?}: {message}", metric.name)));
        }
    }
}

fn check_params(gadget: &Node, path: &str, facts: &dyn Facts, findings: &mut Vec<Finding>) {
    let known = facts.params();
    for entry in gadget.get("params").map(Node::entries).unwrap_or_default() {
        let at = format!("{path}.params.{}", entry.key);
        let Some(scalar) = entry.node.scalar() else { continue };
        if !facts.has_param(&entry.key) {
            let hint = nearest(&entry.key, known.iter().map(String::as_str));
            let listed = match (hint, known.is_empty()) {
                (Some(_), _) => String::new(),
                (None, true) => "; it has none".to_owned(),
                (None, false) => format!("; it has {}", known.join(", ")),
            };
            let message = format!("the gadget has no parameter {:?}{listed}", entry.key);
            findings.push(Finding::error(&entry.place, &at, message).meant(hint));
        } else if let Err(message) = facts.check_param(&entry.key, &scalar.text) {
            findings.push(Finding::error(&entry.node.place, &at, format!("parameter {:?}: {message}", entry.key)));
        }
    }
}

/// The operators of a gadget that have the right shape, each with the place of its settings.
fn operators(gadget: &Node) -> Vec<(OperatorPlan, &Place)> {
    let items = gadget.get("operators").map(Node::items).unwrap_or_default();
    let entries = items.iter().filter_map(|item| item.entries().first());
    entries.map(|entry| (OperatorPlan { kind: entry.key.clone(), settings: entry.node.to_json() }, &entry.node.place)).collect()
}
