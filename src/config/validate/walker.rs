//! Checks a tree against a JSON schema and finds everything that does not fit, each with its place.
//! Our own keywords: `x-noun` (what the keys of a mapping are), `x-names` (the keys there could be), `x-text` (scalars are
//! taken as the text they are written as), `x-format` (see `parse`), `x-expected` (words for a pattern).

use serde_json::{Map, Value};

use super::super::problem::Finding;
use super::super::tree::{Kind, Node};
use super::{leaf, mapping};

/// Deepest chain of schemas in schemas; a reference to itself ends here.
const MAX_DEPTH: usize = 128;

/// A check in progress.
pub struct Walker<'a> {
    root: &'a Value,
    /// What was found.
    pub findings: Vec<Finding>,
    depth: usize,
}

impl<'a> Walker<'a> {
    /// A walker whose references point into `root`.
    pub fn new(root: &'a Value) -> Self {
        Walker { root, findings: Vec::new(), depth: 0 }
    }

    /// Checks `node`, which is the setting `path`, and gives guessed scalars the type that is wanted.
    pub fn check(&mut self, node: &mut Node, schema: &Value, path: &str) {
        let Value::Object(schema) = schema else {
            if schema == &Value::Bool(false) {
                self.findings.push(Finding::error(&node.place, path, format!("{} cannot be set", named(path))));
            }
            return;
        };
        if self.depth >= MAX_DEPTH {
            return;
        }
        self.depth += 1;
        self.check_object(node, schema, path);
        self.depth -= 1;
    }

    fn check_object(&mut self, node: &mut Node, schema: &Map<String, Value>, path: &str) {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|r| self.resolve(r)) {
            self.check(node, target, path);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.check(node, part, path);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
                self.alternatives(node, branches, path);
            }
        }
        if !self.typed(node, schema, path) {
            return;
        }
        self.findings.extend(leaf::check(node, schema, path));
        match &mut node.kind {
            Kind::Scalar(scalar) if schema.contains_key("x-text") => scalar.value = scalar.text.clone().into(),
            Kind::Scalar(_) => {}
            Kind::Sequence(items) => {
                if let Some(schema) = schema.get("items") {
                    items.iter_mut().enumerate().for_each(|(i, item)| self.check(item, schema, &format!("{path}[{i}]")));
                }
            }
            Kind::Mapping(_) => mapping::check(self, node, schema, path),
        }
    }

    /// Whether the type of `node` is one that `schema` names; guessed and empty values are brought into shape.
    fn typed(&mut self, node: &mut Node, schema: &Map<String, Value>, path: &str) -> bool {
        let Some(types) = schema.get("type").map(types) else { return true };
        if leaf::fits(node, &types) {
            return true;
        }
        // A key whose content is commented out.
        if let (true, Some(empty)) = (node.is_null(), leaf::empty(&types)) {
            node.kind = empty;
            return true;
        }
        if let (Kind::Scalar(scalar), true) = (&mut node.kind, types.contains(&"string")) {
            if scalar.guessed {
                scalar.value = scalar.text.clone().into();
                return true;
            }
        }
        let expected = types.iter().filter(|t| **t != "null").map(|t| leaf::type_name(t)).collect::<Vec<_>>().join(" or ");
        let quotable = types.contains(&"string") && node.scalar().is_some_and(|s| !s.value.is_null());
        let advice = if quotable { ": put it in quotes" } else { "" };
        let message = format!("{} must be {expected}, not {}{advice}", named(path), leaf::describe(node));
        self.findings.push(Finding::error(&node.place, path, message));
        false
    }

    /// Checks `node` against schemas of which one is enough.
    fn alternatives(&mut self, node: &mut Node, branches: &[Value], path: &str) {
        if let Some(values) = constants(branches) {
            self.findings.extend(leaf::one_of(node, &values, path));
            return;
        }
        let before = self.findings.len();
        let mut best: Option<(usize, Vec<Finding>)> = None;
        for branch in branches {
            let mut attempt = node.clone();
            self.check(&mut attempt, branch, path);
            let found = self.findings.split_off(before);
            if found.is_empty() {
                *node = attempt;
                return;
            }
            // The branch that was meant is the one whose type fits; among those the one with the fewest complaints.
            let wrong_type = found.iter().any(|f| f.path == path && f.message.contains(" must be "));
            let rank = found.len() + if wrong_type { 1000 } else { 0 };
            if best.as_ref().is_none_or(|(least, _)| rank < *least) && !is_null_schema(branch) {
                best = Some((rank, found));
            }
        }
        self.findings.extend(best.map(|(_, found)| found).unwrap_or_default());
    }

    /// The schema a reference such as `#/$defs/Name` points to.
    fn resolve(&self, reference: &str) -> Option<&'a Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

/// The setting, for messages.
pub fn named(path: &str) -> String {
    if path.is_empty() { "the configuration".to_owned() } else { path.to_owned() }
}

fn types(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_null_schema(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The values, when every branch is one constant or a list of them: how schemars writes an enumeration with descriptions.
fn constants(branches: &[Value]) -> Option<Vec<&Value>> {
    let mut values = Vec::new();
    for branch in branches {
        match (branch.get("const"), branch.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => values.push(value),
            (None, Some(several)) => values.extend(several),
            (None, None) => return None,
        }
    }
    Some(values)
}
