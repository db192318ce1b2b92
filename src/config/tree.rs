//! The tree of a YAML document in which every key and every value knows its place.

use serde_json::{Map, Value};

use super::place::Place;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it starts.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Null, boolean, number or text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order written; keys are unique.
    Mapping(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub node: Node,
}

/// A scalar: its value, and the words it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// As written, before substitution: what messages may show.
    pub written: String,
    /// After substitution, before it was given a type.
    pub text: String,
    /// Its value: never an array or an object.
    pub value: Value,
    /// Whether its type was guessed from a substituted or environment value, so that text may stand for itself.
    pub guessed: bool,
}

impl Node {
    /// A mapping without entries.
    pub fn empty_mapping(place: Place) -> Self {
        Node { place, kind: Kind::Mapping(Vec::new()) }
    }

    /// The entries, of a mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The items, of a list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The scalar, of a scalar.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text, of a scalar that is text.
    pub fn as_str(&self) -> Option<&str> {
        self.scalar()?.value.as_str()
    }

    /// Whether it is the null scalar.
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|s| s.value.is_null())
    }

    /// The value of `key`, of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of `key`, of a mapping.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value as JSON, without the places.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.clone(),
            Kind::Sequence(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Mapping(entries) => Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect::<Map<_, _>>()),
        }
    }
}
