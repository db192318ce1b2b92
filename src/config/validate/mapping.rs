//! What a schema says about the keys of a mapping: which there may be, which there must be.

use serde_json::{Map, Value};

use super::super::problem::Finding;
use super::super::tree::{Entry, Kind, Node};
use super::walker::Walker;
use crate::component::nearest;

/// Checks the keys of `node` and everything below them.
pub fn check(walker: &mut Walker<'_>, node: &mut Node, schema: &Map<String, Value>, path: &str) {
    let place = node.place.clone();
    let Kind::Mapping(entries) = &mut node.kind else { return };
    let mut meant = Vec::new();
    for entry in entries.iter_mut() {
        let below = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        match schema_of(&entry.key, schema) {
            Some(Value::Bool(false)) => {
                let finding = unknown(entry, schema, path, &below);
                meant.extend(finding.hint.clone());
                walker.findings.push(finding);
            }
            Some(schema) => walker.check(&mut entry.node, schema, &below),
            None => {}
        }
    }
    // A mistyped key is one error, not an unknown key and a missing one.
    let here = |key: &str| entries.iter().any(|entry| entry.key == key) || meant.iter().any(|hint| hint == key);
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !here(required) {
            walker.findings.push(Finding::error(&place, path, format!("missing key {required:?}{}", within(path))));
        }
    }
}

/// The schema for the value of `key`; `false` for a key that must not be.
fn schema_of<'s>(key: &str, schema: &'s Map<String, Value>) -> Option<&'s Value> {
    if let Some(exact) = schema.get("properties").and_then(|properties| properties.get(key)) {
        return Some(exact);
    }
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    for (pattern, below) in patterns {
        if regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(key)) {
            return Some(below);
        }
    }
    schema.get("additionalProperties")
}

fn unknown(entry: &Entry, schema: &Map<String, Value>, path: &str, below: &str) -> Finding {
    let noun = schema.get("x-noun").and_then(Value::as_str).unwrap_or("key");
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str());
    let names = schema.get("x-names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    // Of `type/name` the type is what is known or not.
    let word = entry.key.split('/').next().unwrap_or_default();
    let hint = nearest(word, properties.clone().chain(names.clone()));
    let listed: Vec<&str> = names.collect();
    let known = if hint.is_none() && !listed.is_empty() { format!("; there are {}", listed.join(", ")) } else { String::new() };
    Finding::error(&entry.place, below, format!("unknown {noun} {word:?}{}{known}", within(path))).meant(hint)
}

fn within(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in {path}") }
}
