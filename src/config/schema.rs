//! The JSON schema of the whole configuration: the model with the settings of every component kind in their places.
//! It is what validation checks against, what `gadgetry config schema` prints, and what `config/schema.json` holds.

use serde_json::{Map, Value, json};

use super::model::CollectorConfig;
use crate::components::{Components, EXPORTER_ALIASES};

/// The schema, with the kinds of `components`.
pub fn schema(components: &Components) -> Value {
    let mut root = schemars::schema_for!(CollectorConfig).to_value();
    let mut definitions = Map::new();
    let exporters = exporters(components, &mut definitions);
    let operators = operators(components, &mut definitions);
    merge_at(&mut root, "/properties/exporters", exporters);
    merge_at(&mut root, "/$defs/GadgetConfig/properties/operators/items", operators);
    if let Some(present) = root.pointer_mut("/$defs").and_then(Value::as_object_mut) {
        present.extend(definitions);
    }
    root
}

/// The schema as text, ready to be a file.
pub fn text(components: &Components) -> String {
    // Serializing a JSON value into a string cannot fail.
    serde_json::to_string_pretty(&schema(components)).unwrap_or_default() + "\n"
}

/// `exporters`: any id of a known type, with the settings of that type.
fn exporters(components: &Components, definitions: &mut Map<String, Value>) -> Value {
    let mut patterns = Map::new();
    let mut names = Vec::new();
    for kind in components.exporters {
        let definition = define("exporter", kind.name, (kind.schema)(), definitions);
        let aliases = EXPORTER_ALIASES.iter().filter(|(_, name)| *name == kind.name).map(|(alias, _)| *alias);
        for name in std::iter::once(kind.name).chain(aliases) {
            patterns.insert(format!("^{name}(/[^\\s](.*[^\\s])?)?$"), definition.clone());
        }
        names.push(kind.name);
    }
    json!({"type": "object", "patternProperties": patterns, "additionalProperties": false, "x-noun": "exporter type", "x-names": names})
}

/// An item of `operators`: one key, the kind, with its settings.
fn operators(components: &Components, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for kind in components.operators {
        properties.insert(kind.name.to_owned(), define("operator", kind.name, (kind.schema)(), definitions));
    }
    json!({"properties": properties, "additionalProperties": false, "x-names": properties.keys().collect::<Vec<_>>()})
}

/// Puts a component's schema among the definitions, and what it defines itself beside it. Gives the reference to it.
fn define(family: &str, name: &str, schema: schemars::Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = schema.to_value();
    let key = format!("{family}.{name}");
    relocate(&mut schema, &key, 0);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        for (inner, definition) in object.remove("$defs").and_then(|d| d.as_object().cloned()).into_iter().flatten() {
            definitions.insert(format!("{key}.{inner}"), definition);
        }
    }
    definitions.insert(key.clone(), schema);
    json!({"$ref": format!("#/$defs/{key}")})
}

/// Makes references to a schema's own definitions point to where [`define`] puts them.
fn relocate(value: &mut Value, key: &str, depth: usize) {
    if depth > 64 {
        return;
    }
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                if let Some(inner) = reference.strip_prefix("#/$defs/") {
                    *reference = format!("#/$defs/{key}.{inner}");
                }
            }
            object.values_mut().for_each(|value| relocate(value, key, depth + 1));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| relocate(value, key, depth + 1)),
        _ => {}
    }
}

fn merge_at(root: &mut Value, pointer: &str, more: Value) {
    if let (Some(Value::Object(target)), Value::Object(more)) = (root.pointer_mut(pointer), more) {
        target.extend(more);
    }
}
