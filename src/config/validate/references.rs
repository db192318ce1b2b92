//! Names that must be unique and names that must exist: gadgets, exporters and who uses them; settings of exporters.

use std::collections::{BTreeMap, BTreeSet};

use super::super::place::Place;
use super::super::problem::Finding;
use super::super::tree::{Entry, Node};
use super::touched;
use crate::component::{ComponentId, nearest};
use crate::components::{Components, canonical_id};

/// Checks names and references, and the settings of each exporter that fit its schema.
pub fn check(root: &Node, components: &Components, findings: &mut Vec<Finding>) {
    let gadgets = root.get("gadgets").map(Node::items).unwrap_or_default();
    let exporters = root.get("exporters").map(Node::entries).unwrap_or_default();
    unique_names(gadgets, findings);
    let defined = defined(exporters, findings);
    let used = uses(gadgets, &defined, findings);
    for entry in exporters {
        let known = entry.key.parse::<ComponentId>().ok().filter(|id| components.exporter(id.kind()).is_some());
        let Some(id) = known else { continue };
        settings(entry, &id, components, findings);
        if !used.contains(&canonical_id(&id)) {
            let message = format!("no gadget uses the exporter {:?}: it will not be started", entry.key);
            findings.push(Finding::warning(&entry.place, &format!("exporters.{}", entry.key), message));
        }
    }
    if gadgets.is_empty() && !touched(findings, "gadgets") {
        let place = root.entry("gadgets").map_or(&root.place, |entry| &entry.place);
        findings.push(Finding::warning(place, "gadgets", "no gadgets are listed: nothing will be collected"));
    }
}

fn unique_names(gadgets: &[Node], findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for (index, gadget) in gadgets.iter().enumerate() {
        let Some(node) = gadget.get("name") else { continue };
        let Some(name) = node.as_str() else { continue };
        if !seen.insert(name) {
            let message = format!("the gadget name {name:?} is taken by an earlier gadget; names must be unique");
            findings.push(Finding::error(&node.place, &format!("gadgets[{index}].name"), message));
        }
    }
}

/// The exporters by canonical id.
fn defined<'a>(exporters: &'a [Entry], findings: &mut Vec<Finding>) -> BTreeMap<ComponentId, &'a Entry> {
    let mut defined: BTreeMap<ComponentId, &Entry> = BTreeMap::new();
    for entry in exporters {
        let Ok(id) = entry.key.parse::<ComponentId>() else { continue };
        if let Some(earlier) = defined.get(&canonical_id(&id)) {
            let message = format!("{:?} is the same exporter as {:?}", entry.key, earlier.key);
            findings.push(Finding::error(&entry.place, &format!("exporters.{}", entry.key), message));
        } else {
            defined.insert(canonical_id(&id), entry);
        }
    }
    defined
}

/// The exporters that gadgets use, after a check that they exist.
fn uses(gadgets: &[Node], defined: &BTreeMap<ComponentId, &Entry>, findings: &mut Vec<Finding>) -> BTreeSet<ComponentId> {
    let mut used = BTreeSet::new();
    for (index, gadget) in gadgets.iter().enumerate() {
        let list = gadget.get("exporters").map(Node::items).unwrap_or_default();
        let mut own = BTreeSet::new();
        for (position, item) in list.iter().enumerate() {
            let Some(text) = item.as_str() else { continue };
            let path = format!("gadgets[{index}].exporters[{position}]");
            match text.parse::<ComponentId>().map(|id| canonical_id(&id)) {
                Err(error) => findings.push(Finding::error(&item.place, &path, error.to_string())),
                Ok(id) if !defined.contains_key(&id) => findings.push(undefined(text, &item.place, &path, defined)),
                Ok(id) if !own.insert(id.clone()) => {
                    findings.push(Finding::error(&item.place, &path, format!("the exporter {text:?} is listed twice")));
                }
                Ok(_) => {}
            }
        }
        used.extend(own);
    }
    used
}

fn undefined(text: &str, place: &Place, path: &str, defined: &BTreeMap<ComponentId, &Entry>) -> Finding {
    let hint = nearest(text, defined.values().map(|entry| entry.key.as_str()));
    let known: Vec<&str> = defined.values().map(|entry| entry.key.as_str()).collect();
    let known = match (hint, known.is_empty()) {
        (Some(_), _) => String::new(),
        (None, true) => "; \"exporters\" defines none".to_owned(),
        (None, false) => format!("; \"exporters\" defines {}", known.join(", ")),
    };
    Finding::error(place, path, format!("the exporter {text:?} is not defined{known}")).meant(hint)
}

/// The exporter's own check, once its settings fit its schema.
fn settings(entry: &Entry, id: &ComponentId, components: &Components, findings: &mut Vec<Finding>) {
    let path = format!("exporters.{}", entry.key);
    let Some(kind) = components.exporter(id.kind()).filter(|_| !touched(findings, &path)) else { return };
    let settings = if entry.node.is_null() { serde_json::json!({}) } else { entry.node.to_json() };
    for error in (kind.check)(&settings) {
        let place = place_of(entry, &error.path);
        let at = if error.path.is_empty() { path.clone() } else { format!("{path}.{}", error.path) };
        findings.push(Finding::error(place, &at, format!("{at}: {}", error.message)));
    }
}

/// The place of the setting at dotted `path` below `entry`, or of the nearest one above it.
fn place_of<'a>(entry: &'a Entry, path: &str) -> &'a Place {
    let mut place = &entry.place;
    let mut node = &entry.node;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        let Some(next) = node.get(key) else { break };
        (place, node) = (&next.place, next);
    }
    place
}
