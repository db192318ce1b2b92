//! `gadget.yaml`: a case-insensitive tree with dotted look-ups, and the typed questions asked of it.

mod node;
mod sampler;
mod templates;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use node::Node;
pub(in crate::gadget) use templates::of_type as templates_of_type;
pub use templates::template;

/// Longest metadata that is read, in bytes. The largest upstream one has 40 KiB.
pub const MAX_BYTES: usize = 1 << 20;

/// Why metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Longer than the limit.
    #[error("gadget metadata of {bytes} bytes is larger than the limit of {MAX_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// No valid YAML, or too deep or too large once expanded.
    #[error("parse gadget metadata as YAML")]
    Yaml(#[source] Box<serde_saphyr::Error>),
    /// The document is a list or a scalar.
    #[error("gadget metadata is not a YAML mapping")]
    NotAMapping,
}

/// What the metadata says about a data source or a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Annotations as text.
    pub annotations: BTreeMap<String, String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// What the metadata says about a parameter; empty text where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParamNotes {
    /// Key under which users set it.
    pub key: String,
    /// Default value.
    pub default: String,
    /// Help text.
    pub description: String,
}

/// An annotation that somebody sets over the metadata's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The data source.
    pub source: String,
    /// Full name of the field; none for an annotation of the data source itself.
    pub field: Option<String>,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl std::str::FromStr for Annotation {
    type Err = String;

    /// `source:key=value` or `source.field:key=value` (`gadget-abi.md` section 1.9).
    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is not of the form source:key=value or source.field:key=value");
        let (place, pair) = text.split_once(':').ok_or_else(malformed)?;
        let (key, value) = pair.split_once('=').ok_or_else(malformed)?;
        let (source, field) = place.split_once('.').map_or((place, None), |(source, field)| (source, Some(field)));
        if source.is_empty() || key.is_empty() || value.is_empty() || key.contains(':') || field.is_some_and(str::is_empty) {
            return Err(malformed());
        }
        let (field, key, value) = (field.map(str::to_owned), key.to_owned(), value.to_owned());
        Ok(Annotation { source: source.to_owned(), field, key, value })
    }
}

/// A gadget's metadata. All keys are lower case, look-ups ignore case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// Name of the gadget.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Annotations of the whole gadget.
    pub annotations: BTreeMap<String, String>,
    root: Node,
}

impl Manifest {
    /// Reads a metadata document; an empty one is legal.
    ///
    /// # Errors
    /// When it is too large, no YAML, or no mapping.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_BYTES {
            return Err(ManifestError::TooLarge { bytes: bytes.len() });
        }
        let root = Node::parse(bytes).map_err(|e| ManifestError::Yaml(Box::new(e)))?;
        if !matches!(root, Node::Map(_) | Node::Null) {
            return Err(ManifestError::NotAMapping);
        }
        let text = |path: &str| root.get(path).and_then(Node::text).unwrap_or_default().to_owned();
        let annotations = root.get("annotations").map(Node::flatten).unwrap_or_default();
        Ok(Manifest { name: text("name"), description: text("description"), annotations, root })
    }

    /// Sets an annotation of a data source, or of one of its fields, over what the metadata says.
    pub fn annotate(&mut self, annotation: &Annotation) {
        let source = self.root.entry("datasources").entry(&annotation.source);
        let node = match &annotation.field {
            None => source,
            Some(field) => {
                let fields = source.entry("fields");
                // Said under the literal name, it goes before a nested node of the same path; what that says is kept.
                let known = fields.get(field).cloned();
                let node = fields.entry(field);
                if let (Node::Null, Some(known)) = (&*node, known) {
                    *node = known;
                }
                node
            }
        };
        *node.entry("annotations").entry(&annotation.key) = Node::Scalar(annotation.value.clone());
    }

    /// A value by dotted path, the longest literal key first.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.root.get(path)
    }

    /// What it says about a data source.
    pub fn source(&self, source: &str) -> Notes {
        self.source_node(source).map(notes).unwrap_or_default()
    }

    /// What it says about a field of a data source, by full name.
    pub fn field(&self, source: &str, field: &str) -> Notes {
        let fields = self.source_node(source).and_then(|s| s.child("fields"));
        fields.and_then(|f| f.get(field)).map(notes).unwrap_or_default()
    }

    /// Full names, in lower case, of the fields it says something about.
    pub fn fields(&self, source: &str) -> impl Iterator<Item = &str> {
        let fields = match self.source_node(source).and_then(|s| s.child("fields")) {
            Some(Node::Map(fields)) => Some(fields.keys().map(String::as_str)),
            _ => None,
        };
        fields.into_iter().flatten()
    }

    /// What it says about the parameter in variable `variable`, in the old or the new place.
    pub fn param(&self, variable: &str) -> ParamNotes {
        let new = self.root.get("params.ebpf").and_then(|p| p.child(variable));
        let node = new.or_else(|| self.root.child("ebpfparams").and_then(|p| p.child(variable)));
        let text = |key: &str| node.and_then(|n| n.child(key)).and_then(Node::text).unwrap_or_default().to_owned();
        ParamNotes { key: text("key"), default: text("defaultvalue"), description: text("description") }
    }

    /// The default that `paramDefaults` gives a parameter, by full name or bare key.
    pub fn param_default(&self, key: &str) -> Option<&str> {
        let defaults = self.root.child("paramdefaults")?;
        let full = format!("operator.oci.ebpf.{key}");
        defaults.get(&full).or_else(|| defaults.child(key)).and_then(Node::text)
    }

    /// The attach target that replaces the one in a program's section name.
    pub fn attach_to(&self, program: &str) -> Option<&str> {
        self.root.child("programs")?.child(program)?.child("attach_to").and_then(Node::text)
    }

    fn source_node(&self, source: &str) -> Option<&Node> {
        self.root.child("datasources")?.child(source)
    }
}

fn notes(node: &Node) -> Notes {
    let tags = match node.child("tags") {
        Some(Node::List(tags)) => tags.iter().filter_map(Node::text).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Notes { annotations: node.child("annotations").map(Node::flatten).unwrap_or_default(), tags }
}
