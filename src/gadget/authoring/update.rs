//! Metadata from an object: the first `gadget.yaml`, and what an existing one lacks. What is there stays as it is, comments included: only
//! lines are added.

use std::fmt::Write as _;

use super::check::PLACEHOLDER;
use super::facts::{self, Facts};
use super::outline::{self, Item, Kind};
use crate::batch::{Field, Kind as ValueKind};
use crate::gadget::Manifest;
use crate::gadget::manifest::{ManifestError, Node};
use crate::image::GadgetImage;

/// Columns of a text that may be long.
const LONG_TEXT: u32 = 32;

/// Metadata with what it lacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// The whole text.
    pub text: String,
    /// Full names of what was added, such as `datasources.open.fields.fname`.
    pub added: Vec<String>,
}

/// Something that metadata should have: a mapping of such things, or a piece to be added as a whole where its key is missing.
enum Wanted {
    Group(Vec<(String, Wanted)>),
    Piece(Yaml),
}

enum Yaml {
    Text(String),
    Map(Vec<(&'static str, Yaml)>),
}

/// The metadata of an image with all that its object has and it does not mention. `name` is what a gadget without a name is called.
///
/// # Errors
/// With the reason, when the object cannot be read, or the metadata is written so that lines cannot be added.
pub fn update(image: &GadgetImage, name: &str) -> Result<Updated, String> {
    let why = |error: ManifestError| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    };
    let manifest = Manifest::parse(&image.metadata).map_err(why)?;
    let mut problems = Vec::new();
    let facts = Facts::read(image, &mut problems).ok_or_else(|| problems.join("; "))?;
    let text = std::str::from_utf8(&image.metadata).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut edits = Edits::default();
    let empty = Item { line: 0, column: 1, end: 0, kind: Kind::Map { block: true, entries: Vec::new() } };
    let outline = outline::of(text).filter(|root| !matches!(root.kind, Kind::Nothing)).unwrap_or(empty);
    edits.group(&outline, 0, "", &everything(&facts, &manifest, name))?;
    let updated = Updated { text: edits.apply(text), added: edits.added };
    // What was added has to be where it is looked for; all else would be damage.
    let read = Manifest::parse(updated.text.as_bytes()).map_err(|error| format!("adding to it would break it: {}", why(error)))?;
    let values = |manifest: &Manifest, key: &str| manifest.get(key).map(Node::flatten).unwrap_or_default();
    let is_kept = |key: &&str| {
        let now = values(&read, key);
        values(&manifest, key).iter().all(|(path, value)| value.is_empty() || now.get(path) == Some(value))
    };
    let is_whole = ["datasources", "params", "programs", "operator", "annotations"].iter().all(is_kept);
    match updated.added.iter().find(|path| read.get(path).is_none()) {
        Some(path) => Err(format!("adding {path} to it does not work as it is written")),
        None if !is_whole => Err("adding lines to it would change what it says as it is written".to_owned()),
        None => Ok(updated),
    }
}

fn everything(facts: &Facts, manifest: &Manifest, name: &str) -> Vec<(String, Wanted)> {
    let text = |text: String| Wanted::Piece(Yaml::Text(text));
    let mut all = vec![
        ("name".to_owned(), text(name.to_owned())),
        ("description".to_owned(), text(format!("{PLACEHOLDER} say what the gadget is for"))),
    ];
    let sources = facts.sources.iter().map(|source| {
        let mut fields: Vec<(String, Wanted)> = source.own().flat_map(fields).collect();
        // A text that is made of a field may be there as a field already.
        let mut seen = std::collections::BTreeSet::new();
        fields.retain(|(name, _)| seen.insert(name.to_lowercase()));
        (source.name.clone(), Wanted::Group(vec![("fields".to_owned(), Wanted::Group(fields))]))
    });
    let sources: Vec<_> = sources.collect();
    if !sources.is_empty() {
        all.push(("datasources".to_owned(), Wanted::Group(sources)));
    }
    let former = |variable: &str| manifest.get("ebpfParams").is_some_and(|all| all.child(variable).is_some());
    let params = facts.params.iter().filter(|param| !param.variable.is_empty() && !former(&param.variable)).map(|param| {
        let piece = Yaml::Map(vec![
            ("key", Yaml::Text(param.key.clone())),
            ("defaultValue", Yaml::Text(param.default.clone())),
            ("description", Yaml::Text(format!("{PLACEHOLDER} describe the parameter"))),
        ]);
        (param.variable.clone(), Wanted::Piece(piece))
    });
    let params: Vec<_> = params.collect();
    if !params.is_empty() {
        all.push(("params".to_owned(), Wanted::Group(vec![("ebpf".to_owned(), Wanted::Group(params))])));
    }
    all
}

/// A field's own annotations, and those of the text that is made of it.
fn fields(field: &Field) -> Vec<(String, Wanted)> {
    let annotations = |all| Wanted::Piece(Yaml::Map(vec![("annotations", Yaml::Map(all))]));
    let description = || ("description", Yaml::Text(format!("{PLACEHOLDER} describe the field")));
    let text = |text: &str| Yaml::Text(text.to_owned());
    if facts::is_raw(field) {
        let shown = facts::derived(field).into_iter().next().map(|name| {
            let of_type = field.types.iter().any(|name| name == "gadget_timestamp");
            (name, annotations(if of_type { vec![("template", text("timestamp"))] } else { vec![description()] }))
        });
        let raw = (field.name.clone(), annotations(vec![description(), ("columns.hidden", text("true"))]));
        return std::iter::once(raw).chain(shown).collect();
    }
    let mut all = if field.annotations.contains_key("description") { Vec::new() } else { vec![description()] };
    let is_styled = field.annotations.keys().any(|key| key.starts_with("columns."));
    match (field.kind, &field.source) {
        _ if is_styled => {}
        (ValueKind::Int(_) | ValueKind::Uint(_) | ValueKind::Float(_), _) => all.push(("columns.alignment", text("right"))),
        (ValueKind::Text, crate::batch::Source::Row { size: ..LONG_TEXT, .. }) => {}
        (ValueKind::Text, _) => all.push(("columns.width", text("32"))),
        _ => {}
    }
    if all.is_empty() { Vec::new() } else { vec![(field.name.clone(), annotations(all))] }
}

#[derive(Default)]
struct Edits {
    /// Behind which line, and what.
    lines: Vec<(usize, String)>,
    added: Vec<String>,
}

impl Edits {
    /// Adds to the mapping `item` what it lacks; its keys stand `indent` columns in when it has none yet.
    fn group(&mut self, item: &Item, indent: usize, path: &str, wanted: &[(String, Wanted)]) -> Result<(), String> {
        let mut new = String::new();
        let indent = match &item.kind {
            Kind::Map { block: true, entries } => entries.first().map_or(indent, |entry| entry.column - 1),
            _ => indent,
        };
        for (key, wanted) in wanted {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match (item.entry(key), wanted) {
                (Some(entry), Wanted::Group(inner)) if matches!(entry.value.kind, Kind::Nothing) => {
                    // Behind the key there is nothing yet.
                    let empty = Item { end: entry.line, kind: Kind::Map { block: true, entries: Vec::new() }, line: entry.line, column: 0 };
                    self.group(&empty, indent + 2, &path, inner)?;
                }
                (Some(entry), Wanted::Group(inner)) => self.group(&entry.value, indent + 2, &path, inner)?,
                (Some(_), Wanted::Piece(_)) => {}
                (None, wanted) => {
                    write(&mut new, indent, key, wanted);
                    self.named(&path, wanted);
                }
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        if !matches!(item.kind, Kind::Map { block: true, .. }) {
            let Item { line, column, .. } = item;
            return Err(format!(
                "{path} at line {line}, column {column} is not a mapping with a line for each key, so nothing can be added"
            ));
        }
        self.lines.push((item.end, new));
        Ok(())
    }

    fn named(&mut self, path: &str, wanted: &Wanted) {
        match wanted {
            Wanted::Piece(_) => self.added.push(path.to_owned()),
            Wanted::Group(inner) => inner.iter().for_each(|(key, wanted)| self.named(&format!("{path}.{key}"), wanted)),
        }
    }

    fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 256);
        let at = |line: usize| self.lines.iter().filter(move |(after, _)| *after == line).map(|(_, new)| new.as_str());
        let last = text.lines().count();
        if last == 0 || self.lines.iter().all(|(after, _)| *after == 0) {
            // No mapping yet, only comments perhaps.
            out.push_str(text);
            end_line(&mut out);
            out.extend(at(0));
            return out;
        }
        for (index, line) in text.lines().enumerate() {
            out.push_str(line);
            out.push('\n');
            out.extend(at(index + 1));
        }
        self.lines.iter().filter(|(after, _)| *after > last).for_each(|(_, new)| out.push_str(new));
        out
    }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

fn write(out: &mut String, indent: usize, key: &str, wanted: &Wanted) {
    match wanted {
        Wanted::Piece(piece) => piece.write(out, indent, key),
        Wanted::Group(inner) => {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{:indent$}{}:", "", quoted(key));
            inner.iter().for_each(|(key, wanted)| write(out, indent + 2, key, wanted));
        }
    }
}

impl Yaml {
    fn write(&self, out: &mut String, indent: usize, key: &str) {
        let key = quoted(key);
        match self {
            // Writing to a String cannot fail.
            Yaml::Text(text) => _ = writeln!(out, "{:indent$}{key}: {}", "", quoted(text)),
            Yaml::Map(entries) => {
                let _ = writeln!(out, "{:indent$}{key}:", "");
                entries.iter().for_each(|(key, value)| value.write(out, indent + 2, key));
            }
        }
    }
}

/// Text that YAML reads as just that.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let is_other =
        ["null", "yes", "no", "on", "off", "y", "n", "true", "false", "inf", "nan"].contains(&text.to_ascii_lowercase().as_str());
    // JSON's texts are YAML's.
    if is_word && !is_other { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
