//! The layers of a configuration, merged by the `config` crate: defaults, then the files, then `GADGETRY__SECTION__KEY`
//! variables. What comes out is a tree again, in which whatever came from the files kept its place.

use std::sync::Arc;

use config::builder::DefaultState;
use config::{ConfigBuilder, Map, Source, Value as Layered, ValueKind};

use super::environment::Environment;
use super::model::{self, SECTIONS};
use super::place::Place;
use super::problem::Finding;
use super::scalar;
use super::tree::{Entry, Kind, Node, Scalar};

/// What the names of overriding variables start with.
const PREFIX: &str = "GADGETRY__";

/// The merged tree. Variables that override nothing that can be are added to `findings`.
pub fn merge(files: Node, environment: &Environment, findings: &mut Vec<Finding>) -> Node {
    let variables = overrides(environment, findings);
    let override_layer = config::Environment::with_prefix("GADGETRY").prefix_separator("__").separator("__").source(Some(variables));
    let merged = ConfigBuilder::<DefaultState>::default()
        .add_source(Tree(defaults(environment)))
        .add_source(Tree(files.clone()))
        .add_source(override_layer)
        .build();
    match merged {
        Ok(merged) => rebuild(merged.cache, Some(&files), "").unwrap_or(files),
        Err(error) => {
            findings.push(Finding::error(&Place::Default, "", format!("cannot merge the layers of the configuration: {error}")));
            files
        }
    }
}

fn defaults(environment: &Environment) -> Node {
    from_json(&model::defaults(environment))
}

/// The variables that override settings, after a check of their names.
fn overrides(environment: &Environment, findings: &mut Vec<Finding>) -> Map<String, String> {
    let mut accepted = Map::new();
    for (name, value) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let path = name.trim_start_matches(PREFIX);
        let section = path.split("__").next().unwrap_or_default().to_lowercase();
        // Brackets would be indices to the `config` crate, and any index is a promise of memory.
        let clean = path.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && path.split("__").all(|part| !part.is_empty());
        if clean && SECTIONS.contains(&section.as_str()) {
            accepted.insert(name.to_owned(), value.to_owned());
        } else {
            let message = "names no setting: expected GADGETRY__SECTION__KEY, such as GADGETRY__SERVICE__TELEMETRY__ENDPOINT";
            findings.push(Finding::error(&Place::Environment(name.into()), &path.replace("__", ".").to_lowercase(), message));
        }
    }
    accepted
}

/// A tree as a layer.
#[derive(Debug, Clone)]
struct Tree(Node);

impl Source for Tree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Layered>, config::ConfigError> {
        // Top-level keys are path expressions to the `config` crate: only known ones may come that far.
        let known = self.0.entries().iter().filter(|entry| SECTIONS.contains(&entry.key.as_str()) && !entry.node.is_null());
        Ok(known.map(|entry| (entry.key.clone(), layered(&entry.node))).collect())
    }
}

fn layered(node: &Node) -> Layered {
    let kind = match &node.kind {
        Kind::Scalar(scalar) => scalar_kind(&scalar.value),
        Kind::Sequence(items) => ValueKind::Array(items.iter().map(layered).collect()),
        // A key without a value must not hide the defaults below it.
        Kind::Mapping(entries) => {
            let valued = entries.iter().filter(|e| !e.node.is_null());
            ValueKind::Table(valued.map(|e| (e.key.clone(), layered(&e.node))).collect())
        }
    };
    Layered::new(None, kind)
}

fn scalar_kind(value: &serde_json::Value) -> ValueKind {
    use serde_json::Value;
    match value {
        Value::Bool(value) => ValueKind::Boolean(*value),
        Value::String(text) => ValueKind::String(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) => ValueKind::I64(signed),
            (None, Some(unsigned)) => ValueKind::U64(unsigned),
            (None, None) => ValueKind::Float(number.as_f64().unwrap_or_default()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => ValueKind::Nil,
    }
}

/// The merged value at `path` as a node; `file` is what the files have there.
fn rebuild(merged: Layered, file: Option<&Node>, path: &str) -> Option<Node> {
    let place = || file.map_or_else(|| Place::Default, |node| node.place.clone());
    let from_environment = merged.origin().is_some();
    Some(match merged.kind {
        ValueKind::Table(table) => Node { place: place(), kind: Kind::Mapping(entries(table, file, path)) },
        // Lists come from the files as they are, or from the defaults, which have none.
        ValueKind::Array(_) => return file.cloned(),
        kind => match file.filter(|node| node.scalar().is_some_and(|s| scalar_kind(&s.value) == kind)) {
            Some(unchanged) => unchanged.clone(),
            None => overriding(from_environment, kind, path),
        },
    })
}

/// The entries of a table: those of the files in their order, then the others by name.
fn entries(mut table: Map<String, Layered>, file: Option<&Node>, path: &str) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(table.len());
    for entry in file.map(Node::entries).unwrap_or_default() {
        match table.remove(&entry.key) {
            Some(value) => {
                let node = rebuild(value, Some(&entry.node), &below(path, &entry.key));
                entries.push(Entry { node: node.unwrap_or_else(|| entry.node.clone()), ..entry.clone() });
            }
            // Keys that did not pass as a layer: the schema check will refuse them.
            None => entries.push(entry.clone()),
        }
    }
    let mut others: Vec<_> = table.into_iter().collect();
    others.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, value) in others {
        if let Some(node) = rebuild(value, None, &below(path, &key)) {
            entries.push(Entry { place: node.place.clone(), key, node });
        }
    }
    entries
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A scalar that is not in the files: from the environment, or from the defaults.
fn overriding(from_environment: bool, kind: ValueKind, path: &str) -> Node {
    let variable = format!("{PREFIX}{}", path.replace('.', "__").to_uppercase());
    let place = if from_environment { Place::Environment(Arc::from(variable)) } else { Place::Default };
    let value = match kind {
        ValueKind::Boolean(value) => value.into(),
        ValueKind::I64(value) => value.into(),
        ValueKind::U64(value) => value.into(),
        ValueKind::Float(value) => value.into(),
        ValueKind::String(text) if from_environment => {
            let scalar = Scalar { written: text.clone(), value: scalar::resolve(&text), text, guessed: true };
            return Node { place, kind: Kind::Scalar(scalar) };
        }
        ValueKind::String(text) => text.into(),
        _ => serde_json::Value::Null,
    };
    scalar_node(place, value)
}

fn scalar_node(place: Place, value: serde_json::Value) -> Node {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Node { place, kind: Kind::Scalar(Scalar { written: text.clone(), text, value, guessed: false }) }
}

/// JSON as a tree of defaults.
fn from_json(value: &serde_json::Value) -> Node {
    use serde_json::Value;
    match value {
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| Entry { key: key.clone(), place: Place::Default, node: from_json(value) });
            Node { place: Place::Default, kind: Kind::Mapping(entries.collect()) }
        }
        Value::Array(items) => Node { place: Place::Default, kind: Kind::Sequence(items.iter().map(from_json).collect()) },
        scalar => scalar_node(Place::Default, scalar.clone()),
    }
}
