//! Where things stand in a YAML text: keys and values with their lines, for messages and for adding to the text without touching the
//! rest. Only for text that [`super::super::Manifest`] has taken: that bounds depth and size.

use serde_saphyr::granit_parser::{Event, Parser, StructureStyle};

/// A value.
#[derive(Debug)]
pub(super) struct Item {
    pub line: usize,
    pub column: usize,
    /// Last line that belongs to it.
    pub end: usize,
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Written as nothing.
    Nothing,
    /// A mapping with a line for each key, or one in braces.
    Map { block: bool, entries: Vec<Entry> },
    /// A scalar, a list or an alias.
    Other,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub line: usize,
    pub column: usize,
    pub value: Item,
}

impl Item {
    /// The value under a key, whatever its case.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map { entries, .. } => entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key)),
            _ => None,
        }
    }

    /// Line and column of the key at the end of the path, or of the last one on the way that is there.
    pub fn place(&self, path: &[&str]) -> (usize, usize) {
        let (mut item, mut place) = (self, (self.line, self.column));
        for key in path {
            let Some(entry) = item.entry(key) else { break };
            (item, place) = (&entry.value, (entry.line, entry.column));
        }
        place
    }
}

/// A key whose value has not come yet, with its line and column.
type Key = (String, usize, usize);

/// The outline of a text; nothing for text that is no YAML.
pub(super) fn of(text: &str) -> Option<Item> {
    let mut stack: Vec<(Item, Option<Key>)> = Vec::new();
    let mut root = None;
    let lines: Vec<&str> = text.lines().collect();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.ok()?;
        let (line, column) = (span.start.line().max(1), span.start.col() + 1);
        // What ends before the first character of a line ends with the one before.
        let before = span.end.line().checked_sub(1).and_then(|at| lines.get(at)).map(|text| text.chars().take(span.end.col()));
        let is_within = before.is_some_and(|mut before| before.any(|c| !c.is_whitespace()));
        let end = if is_within { span.end.line() } else { span.end.line().saturating_sub(1) };
        let item = |kind| Item { line, column, end: end.max(line), kind };
        let done = match event {
            Event::MappingStart(style, ..) => {
                let block = style == StructureStyle::Block;
                stack.push((Item { end: line, ..item(Kind::Map { block, entries: Vec::new() }) }, None));
                continue;
            }
            Event::SequenceStart(..) => {
                stack.push((Item { end: line, ..item(Kind::Other) }, None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let mut closed = stack.pop()?.0;
                if !matches!(closed.kind, Kind::Map { block: true, .. }) && matches!(event, Event::MappingEnd) {
                    closed.end = closed.end.max(end);
                }
                closed
            }
            Event::Scalar(text, ..) => {
                if let Some((Item { kind: Kind::Map { .. }, .. }, key @ None)) = stack.last_mut() {
                    *key = Some((text.into_owned(), line, column));
                    continue;
                }
                // What is not written has no width; its text is the parser's.
                if span.start == span.end { Item { end: 0, ..item(Kind::Nothing) } } else { item(Kind::Other) }
            }
            Event::Alias(_) => {
                if let Some((Item { kind: Kind::Map { .. }, .. }, key @ None)) = stack.last_mut() {
                    *key = Some((String::new(), line, column));
                    continue;
                }
                item(Kind::Other)
            }
            _ => continue,
        };
        match stack.last_mut() {
            None => root = Some(done),
            Some((parent, key)) => {
                parent.end = parent.end.max(done.end);
                if let (Kind::Map { entries, .. }, Some((key, line, column))) = (&mut parent.kind, key.take()) {
                    parent.end = parent.end.max(line);
                    entries.push(Entry { key, line, column, value: done });
                }
            }
        }
    }
    root
}
