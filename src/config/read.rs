//! The main file and what it includes, read into one tree: gadgets one after the other, exporters side by side.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::document::{self, Fault};
use super::environment::Environment;
use super::glob;
use super::place::{Place, Source, Sources};
use super::problem::Finding;
use super::substitute::substitute;
use super::tree::{Entry, Kind, Node};
use crate::component::nearest;

/// Largest file.
pub const MAX_FILE: u64 = 1 << 20;
/// Most files.
pub const MAX_FILES: usize = 256;
/// How deep includes may include.
const MAX_INCLUDE_DEPTH: usize = 8;
/// What a file that another includes may hold.
const INCLUDABLE: &[&str] = &["version", "gadgets", "exporters", "include"];

/// What reading gave.
#[derive(Debug)]
pub struct Reading {
    /// The files merged; none when the main file is no document.
    pub root: Option<Node>,
    /// The files.
    pub sources: Sources,
    /// Files, and directories of patterns, whose change may change the configuration.
    pub watched: Vec<PathBuf>,
    /// What went wrong.
    pub findings: Vec<Finding>,
}

/// Reads `path` and everything it includes.
pub fn read(path: &Path, environment: &Environment) -> Reading {
    let mut reader = Reader { environment, sources: Sources::default(), watched: Vec::new(), findings: Vec::new(), chain: Vec::new() };
    let root = reader.file(path, &Place::Default);
    Reading { root, sources: reader.sources, watched: reader.watched, findings: reader.findings }
}

struct Reader<'a> {
    environment: &'a Environment,
    sources: Sources,
    watched: Vec<PathBuf>,
    findings: Vec<Finding>,
    /// The files being read, each including the next, by their real path.
    chain: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Reads one file with its includes; `from` is where it was named.
    fn file(&mut self, path: &Path, from: &Place) -> Option<Node> {
        self.watched.push(path.to_path_buf());
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if let Some(refusal) = self.refusal(&real) {
            self.complain(from, format!("{}: {refusal}", path.display()));
            return None;
        }
        let text = match text(path) {
            Ok(text) => text,
            Err(message) => {
                self.complain(from, message);
                return None;
            }
        };
        let file = self.sources.files.len();
        self.sources.files.push(Source { path: path.to_path_buf(), text });
        self.chain.push(real);
        let root = self.parse(file);
        let merged = root.map(|root| self.includes(root, path));
        self.chain.pop();
        merged
    }

    fn refusal(&self, real: &Path) -> Option<String> {
        if self.chain.iter().any(|open| open == real) {
            return Some("includes itself, directly or through others".to_owned());
        }
        if self.chain.len() > MAX_INCLUDE_DEPTH {
            return Some(format!("included through more than {MAX_INCLUDE_DEPTH} files"));
        }
        (self.sources.files.len() >= MAX_FILES).then(|| format!("more than {MAX_FILES} files"))
    }

    fn complain(&mut self, place: &Place, message: String) {
        self.findings.push(Finding::error(place, "", message));
    }

    fn parse(&mut self, file: usize) -> Option<Node> {
        let text = self.sources.files.get(file).map(|source| source.text.clone())?;
        let (root, mut faults) = match document::parse(&text, file) {
            Ok(document) => (Some(document.root), document.faults),
            Err(fault) => (None, vec![fault]),
        };
        let root = root.map(|mut root| {
            substitute(&mut root, self.environment, &mut faults);
            if root.is_null() { Node::empty_mapping(root.place) } else { root }
        });
        self.findings.extend(faults.into_iter().map(|Fault { place, message }| Finding::error(&place, "", message)));
        let root = root?;
        if !matches!(root.kind, Kind::Mapping(_)) {
            self.complain(&root.place, "a configuration is a mapping with keys such as \"gadgets\" and \"exporters\"".to_owned());
            return None;
        }
        Some(root)
    }

    /// Adds to `root` what its `include` list names.
    fn includes(&mut self, mut root: Node, path: &Path) -> Node {
        let names: Vec<(String, Place)> = match root.get("include") {
            Some(list) => list.items().iter().filter_map(|item| Some((item.as_str()?.to_owned(), item.place.clone()))).collect(),
            None => Vec::new(),
        };
        for (name, place) in names {
            for found in self.resolve(&glob::directory(path).join(&name), &place) {
                if let Some(included) = self.file(&found, &place) {
                    self.merge(&mut root, included);
                }
            }
        }
        root
    }

    fn resolve(&mut self, path: &Path, place: &Place) -> Vec<PathBuf> {
        let directory = glob::directory(path);
        if glob::is_pattern(&directory.to_string_lossy()) {
            self.complain(place, format!("{}: only the last part of the path may hold * or ?", path.display()));
            return Vec::new();
        }
        if !glob::is_pattern(&path.to_string_lossy()) {
            return vec![path.to_path_buf()];
        }
        self.watched.push(directory.clone());
        match glob::expand(path) {
            Ok(found) => found,
            // No such directory yet is like an empty one: its creation is a change of the watched path.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.complain(place, format!("cannot list {}: {error}", directory.display()));
                Vec::new()
            }
        }
    }

    fn merge(&mut self, root: &mut Node, included: Node) {
        let Kind::Mapping(entries) = included.kind else { return };
        for entry in entries {
            match entry.key.as_str() {
                "gadgets" | "exporters" if entry.node.is_null() => {}
                "gadgets" => self.append_items(root, entry),
                "exporters" => self.append_entries(root, entry),
                key if INCLUDABLE.contains(&key) => {}
                key => {
                    let message = format!("unknown key {key:?} in an included file, which may hold gadgets, exporters and include");
                    self.findings.push(Finding::error(&entry.place, key, message).meant(nearest(key, INCLUDABLE.iter().copied())));
                }
            }
        }
    }

    fn append_items(&mut self, root: &mut Node, entry: Entry) {
        let Kind::Sequence(more) = entry.node.kind else {
            return self.complain(&entry.node.place, "gadgets must be a list".to_owned());
        };
        match kind_of(root, &entry.key) {
            // What is no list in the main file is left to the schema check.
            Some(Kind::Sequence(target)) => target.extend(more),
            Some(_) => {}
            None => push(root, Entry { node: Node { place: entry.node.place, kind: Kind::Sequence(more) }, ..entry }),
        }
    }

    fn append_entries(&mut self, root: &mut Node, entry: Entry) {
        let Kind::Mapping(more) = entry.node.kind else {
            return self.complain(&entry.node.place, "exporters must be a mapping".to_owned());
        };
        let target = match kind_of(root, &entry.key) {
            Some(Kind::Mapping(target)) => target,
            Some(_) => return,
            None => return push(root, Entry { node: Node { place: entry.node.place, kind: Kind::Mapping(more) }, ..entry }),
        };
        for entry in more {
            if target.iter().any(|e| e.key == entry.key) {
                let message = format!("the exporter {:?} is defined in another file already", entry.key);
                self.findings.push(Finding::error(&entry.place, &format!("exporters.{}", entry.key), message));
            } else {
                target.push(entry);
            }
        }
    }
}

/// What `root` has under `key`, if it is not null.
fn kind_of<'a>(root: &'a mut Node, key: &str) -> Option<&'a mut Kind> {
    match &mut root.kind {
        Kind::Mapping(entries) => entries.iter_mut().find(|e| e.key == key && !e.node.is_null()).map(|e| &mut e.node.kind),
        _ => None,
    }
}

fn push(root: &mut Node, entry: Entry) {
    if let Kind::Mapping(entries) = &mut root.kind {
        entries.retain(|e| e.key != entry.key);
        entries.push(entry);
    }
}

/// The text of a file; the error says what was being done to which file.
fn text(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(format!("cannot read {}: it is a directory", path.display()));
    }
    // Opening a pipe that nobody writes to would hang; the shell's `<(...)` and standard input are written to.
    if !metadata.is_file() && !path.starts_with("/dev/fd") && !path.starts_with("/dev/stdin") {
        return Err(format!("cannot read {}: it is not a regular file", path.display()));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("cannot read {}: it is larger than {MAX_FILE} bytes", path.display()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|b| **b == b'\n').count() + 1;
        format!("cannot read {}: line {line} is not UTF-8 text", path.display())
    })
}
