//! A YAML value whose map keys are lower case and whose scalars are text.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Deepest nesting, and most nodes, of a metadata document.
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;

/// One value of the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Node {
    /// Nothing.
    #[default]
    Null,
    /// A scalar as text: `true`, `20`, `text`.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping with lower-case keys.
    Map(BTreeMap<String, Node>),
}

impl Node {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_saphyr::Error> {
        let budget = serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES, max_documents: 1, max_aliases: 1000 };
        let options = serde_saphyr::options! { budget: budget, with_snippet: false, strict_booleans: true };
        serde_saphyr::from_slice_with_options::<Option<Node>>(bytes, options).map(Option::unwrap_or_default)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The value under one literal key, without regard to case.
    pub fn child(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Map(map) => map.get(&key.to_lowercase()),
            _ => None,
        }
    }

    /// The value under one literal key, put there when it was missing; a value that is no mapping gives way to one.
    pub(super) fn entry(&mut self, key: &str) -> &mut Node {
        if !matches!(self, Node::Map(_)) {
            *self = Node::Map(BTreeMap::new());
        }
        match self {
            Node::Map(map) => map.entry(key.to_lowercase()).or_default(),
            other => other,
        }
    }

    /// The value at a dotted path. At each level the longest literal key wins, with shorter ones tried after it.
    pub fn get(&self, path: &str) -> Option<&Node> {
        let path = path.to_lowercase();
        // Depth of the tree bounds the recursion, the number of dots its breadth.
        self.find(&path)
    }

    fn find(&self, path: &str) -> Option<&Node> {
        let Node::Map(map) = self else { return None };
        if let Some(node) = map.get(path) {
            return Some(node);
        }
        let dots = path.rmatch_indices('.').map(|(at, _)| at);
        dots.filter_map(|at| Some((path.get(..at)?, path.get(at + 1..)?))).find_map(|(key, rest)| map.get(key)?.find(rest))
    }

    /// A mapping as annotations: nested keys joined with dots, scalars as text, lists left out.
    pub fn flatten(&self) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        self.flatten_into("", &mut out);
        out
    }

    fn flatten_into(&self, prefix: &str, out: &mut BTreeMap<String, String>) {
        let Node::Map(map) = self else { return };
        for (key, node) in map {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match node {
                Node::Scalar(text) => _ = out.insert(name, text.clone()),
                Node::Null => _ = out.insert(name, String::new()),
                Node::Map(_) => node.flatten_into(&name, out),
                Node::List(_) => {}
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

macro_rules! scalars {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, value: $type) -> Result<Node, E> { Ok(Node::Scalar(value.to_string())) })*
    };
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    scalars! { visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64, visit_str: &str }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = access.next_entry::<Node, Node>()? {
            let key = match key {
                Node::Scalar(key) => key.to_lowercase(),
                Node::Null => String::new(),
                _ => return Err(A::Error::custom("a mapping key is a list or a mapping")),
            };
            map.insert(key, value);
        }
        Ok(Node::Map(map))
    }
}
