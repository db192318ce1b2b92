//! What the encoder does per row, worked out once: constant text and values in turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{JsonOptions, escape};
use crate::batch::{ColumnId, Decode, Field, FieldId, Kind, OPTIONAL, Schema, Source};

/// One value and the constant text before it.
pub(super) struct Step {
    pub literal: Box<[u8]>,
    pub op: Op,
}

/// How to get at a value.
pub(super) enum Op {
    /// Bytes of the row, typed.
    Raw(Field),
    /// Text made of another field's bytes.
    Decoded { from: Field, decoder: Arc<dyn Decode> },
    /// Anything else, through the batch.
    Any(FieldId, Kind),
    /// Neighbouring attributes of one derived column.
    Group { column: ColumnId, members: Vec<Attribute> },
}

/// A member of a group: its constant text and its value.
pub(super) struct Attribute {
    pub literal: Box<[u8]>,
    pub attribute: u16,
    pub kind: Kind,
    /// Left out, its text included, when it has no value. Never the first member of its object.
    pub optional: bool,
}

/// Steps and the constant text behind the last one.
pub(super) struct Plan {
    pub steps: Vec<Step>,
    pub end: Box<[u8]>,
}

enum Node<'a> {
    Object(BTreeMap<&'a [u8], Node<'a>>),
    Field(FieldId, &'a Field),
    Constant(&'a str),
}

/// Compiles the JSON object of a schema.
pub(super) fn compile(schema: &Schema, options: &JsonOptions) -> Plan {
    let mut root = BTreeMap::new();
    for (id, field) in schema.iter().filter(|(_, f)| f.kind != Kind::Struct && is_shown(schema, f)) {
        insert(&mut root, &field.name, Node::Field(id, field));
    }
    for (name, value) in &options.extra {
        root.entry(name.as_bytes()).or_insert(Node::Constant(value));
    }
    let mut compiler = Compiler { schema, plan: Plan { steps: Vec::new(), end: Box::default() }, literal: Vec::new() };
    compiler.object(&root);
    compiler.plan.end = std::mem::take(&mut compiler.literal).into();
    compiler.plan
}

fn is_shown(schema: &Schema, field: &Field) -> bool {
    let mut parents = field.name.match_indices('.').filter_map(|(at, _)| field.name.get(..at));
    let is_skipped = |name: &str| schema.fields().iter().any(|f| f.json_skip && f.name == name);
    !field.json_skip && !parents.any(is_skipped)
}

/// A field that turns out to be the parent of others gives its place to them.
fn insert<'a>(root: &mut BTreeMap<&'a [u8], Node<'a>>, name: &'a str, node: Node<'a>) {
    let mut level = root;
    let (parents, leaf) = name.rsplit_once('.').map_or((None, name), |(p, l)| (Some(p), l));
    for part in parents.iter().flat_map(|p| p.split('.')) {
        let child = level.entry(part.as_bytes()).or_insert_with(|| Node::Object(BTreeMap::new()));
        if !matches!(child, Node::Object(_)) {
            *child = Node::Object(BTreeMap::new());
        }
        let Node::Object(members) = child else { return };
        level = members;
    }
    level.entry(leaf.as_bytes()).or_insert(node);
}

struct Compiler<'a> {
    schema: &'a Schema,
    plan: Plan,
    literal: Vec<u8>,
}

impl Compiler<'_> {
    fn object(&mut self, members: &BTreeMap<&[u8], Node<'_>>) {
        self.literal.push(b'{');
        for (index, (name, node)) in members.iter().enumerate() {
            if index > 0 {
                self.literal.push(b',');
            }
            escape::push_string(&mut self.literal, name);
            self.literal.push(b':');
            match node {
                Node::Object(members) => self.object(members),
                Node::Constant(value) => escape::push_string(&mut self.literal, value.as_bytes()),
                Node::Field(id, field) => self.field(*id, field),
            }
        }
        self.literal.push(b'}');
    }

    fn field(&mut self, id: FieldId, field: &Field) {
        let literal: Box<[u8]> = std::mem::take(&mut self.literal).into();
        if let Source::Dictionary { column, attribute } = field.source {
            let optional = field.has_tag(OPTIONAL) && literal.starts_with(b",");
            return self.attribute(column, Attribute { literal, attribute, kind: field.kind, optional });
        }
        let op = match &field.source {
            Source::Row { .. } | Source::Tail { .. } | Source::Rest { .. } | Source::Bits { .. } => Op::Raw(bare(field)),
            Source::Decoded { from, decoder } => match self.schema.field(*from) {
                Some(from) => Op::Decoded { from: bare(from), decoder: decoder.clone() },
                None => Op::Any(id, field.kind),
            },
            _ => Op::Any(id, field.kind),
        };
        self.plan.steps.push(Step { literal, op });
    }

    fn attribute(&mut self, of: ColumnId, member: Attribute) {
        match self.plan.steps.last_mut() {
            Some(Step { op: Op::Group { column, members }, .. }) if *column == of => members.push(member),
            _ => self.plan.steps.push(Step { literal: Box::default(), op: Op::Group { column: of, members: vec![member] } }),
        }
    }
}

/// The field without its texts: all that reading its bytes needs.
fn bare(field: &Field) -> Field {
    Field::new("", field.kind, field.source.clone())
}
