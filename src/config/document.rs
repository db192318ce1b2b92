//! YAML text to a tree of nodes that know their places, within limits on depth, count and alias expansion.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::place::Place;
use super::scalar;
use super::tree::{Entry, Kind, Node, Scalar};

/// Deepest nesting of a document.
pub const MAX_DEPTH: usize = 48;
/// Most nodes of a document, those that aliases repeat included.
pub const MAX_NODES: usize = 50_000;

/// Why a text is no document: where and what, without the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

/// What a text holds.
#[derive(Debug)]
pub struct Document {
    /// The root; an empty mapping when the text holds nothing.
    pub root: Node,
    /// Faults that leave the rest readable: keys that stand twice.
    pub faults: Vec<Fault>,
}

/// Reads `text`, the file with the index `file`.
///
/// # Errors
/// At the first place where it is not YAML, or not YAML that a configuration may use.
pub fn parse(text: &str, file: usize) -> Result<Document, Fault> {
    let mut builder = Builder { file, ..Builder::default() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            let mark = error.marker();
            let line = mark.line().max(1);
            let expansion = text.lines().nth(line - 1).is_some_and(|line| line.contains("${"));
            let advice = if expansion { "; inside {} and [] write \"${env:NAME}\" in quotes" } else { "" };
            Fault {
                place: Place::File { file, line, column: mark.col() + 1 },
                message: format!("not valid YAML: {}{advice}", error.info()),
            }
        })?;
        builder.event(event, &span)?;
    }
    let root = builder.root.unwrap_or_else(|| Node::empty_mapping(Place::File { file, line: 1, column: 1 }));
    Ok(Document { root, faults: builder.faults })
}

#[derive(Default)]
struct Builder {
    file: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    nodes_before: usize,
    key: Option<(String, Place)>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fault> {
        let place = Place::File { file: self.file, line: span.start.line().max(1), column: span.start.col() + 1 };
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault { place, message: "a second document in the same file: put it into a file of its own".to_owned() });
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = typed(&text, style, tag.as_deref()).map_err(|message| Fault { place: place.clone(), message })?;
                let text = text.into_owned();
                let scalar = Scalar { written: text.clone(), text, value, guessed: false };
                let before = self.nodes;
                self.count(&place, 1)?;
                self.finish(Node { place, kind: Kind::Scalar(scalar) }, anchor, before)?;
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(place, Kind::Sequence(Vec::new()), anchor, tag.as_deref())?,
            Event::MappingStart(_, anchor, tag) => self.begin(place, Kind::Mapping(Vec::new()), anchor, tag.as_deref())?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.finish(open.node, open.anchor, open.nodes_before)?;
                }
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault { place, message: "this alias stands inside the value it names".to_owned() });
                };
                self.count(&place, size)?;
                self.finish(node, 0, self.nodes)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, place: Place, kind: Kind, anchor: usize, tag: Option<&Tag>) -> Result<(), Fault> {
        if let Some(tag) = tag {
            return Err(Fault { place, message: format!("the tag {} is not supported here", tag.original()) });
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault { place, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        if self.open.last().is_some_and(|open| matches!(open.node.kind, Kind::Mapping(_)) && open.key.is_none()) {
            return Err(Fault { place, message: "a key must be text, not a list or a mapping".to_owned() });
        }
        let nodes_before = self.nodes;
        self.count(&place, 1)?;
        self.open.push(Open { node: Node { place, kind }, anchor, nodes_before, key: None });
        Ok(())
    }

    fn count(&mut self, place: &Place, nodes: usize) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(Fault {
                place: place.clone(),
                message: format!("more than {MAX_NODES} values, those repeated by aliases included"),
            });
        }
        Ok(())
    }

    /// Puts a complete node where it belongs: into the anchors, and the innermost open collection.
    fn finish(&mut self, node: Node, anchor: usize, nodes_before: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes.saturating_sub(nodes_before)));
        }
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut open.node.kind {
            Kind::Sequence(items) => items.push(node),
            Kind::Mapping(entries) => match open.key.take() {
                None => {
                    let Kind::Scalar(scalar) = node.kind else {
                        return Err(Fault { place: node.place, message: "a key must be text, not a list or a mapping".to_owned() });
                    };
                    open.key = Some((scalar.written, node.place));
                }
                Some((key, place)) if entries.iter().any(|e| e.key == key) => {
                    self.faults.push(Fault { place, message: format!("the key {key:?} stands here a second time") });
                }
                Some((key, place)) => entries.push(Entry { key, place, node }),
            },
            Kind::Scalar(_) => {}
        }
        Ok(())
    }
}

/// The value of a scalar with its style and tag.
fn typed(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<serde_json::Value, String> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema_tag("str") => Ok(text.into()),
        Some(tag) => Err(format!("the tag {} is not supported here", tag.original())),
        None if style == ScalarStyle::Plain => Ok(scalar::resolve(text)),
        None => Ok(text.into()),
    }
}
