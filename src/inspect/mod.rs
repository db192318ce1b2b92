//! What can be told of an image without running it: documents, sections, programs with their source, maps, variables, diagrams.
//! [`extra_info`] is the way in; [`sources::messages`] are the data sources as other programs read them.

mod accesses;
mod debug;
mod diagram;
mod disassembler;
mod ebpf;
mod error;
mod ids;
mod kinds;
mod listing;
mod object;
mod oci;
pub mod sources;
#[cfg(test)]
mod tests;
mod wasm;

use std::collections::BTreeMap;

use serde::Serialize;

pub use error::InspectError;

use crate::component::nearest;
use crate::image::GadgetImage;

/// Content type of JSON.
pub const JSON: &str = "application/json";
/// Content type of YAML.
pub const YAML: &str = "text/yaml";
/// Content type of text that means nothing to programs.
pub const PLAIN: &str = "text/plain";
/// Content type of diagrams.
pub const MERMAID: &str = "text/mermaid";

/// One thing that can be told (`grpc-api.md` section 3, `GadgetInspectAddendum`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addendum {
    /// What the content is: one of the constants here.
    pub content_type: &'static str,
    /// The content, which is UTF-8 unless the image's metadata is not.
    pub content: Vec<u8>,
}

/// Everything that can be told, by key (`gadget-abi.md` section 1.13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraInfo {
    /// The entries, in the order of their keys.
    pub entries: BTreeMap<String, Addendum>,
}

/// A key that is not there.
#[derive(Debug, thiserror::Error)]
#[error(
    "the image has no extra info {key:?}{}; there is {}",
    suggestion.as_ref().map(|key| format!(", did you mean {key:?}?")).unwrap_or_default(),
    keys.join(", ")
)]
pub struct UnknownKey {
    /// What was asked for.
    pub key: String,
    /// The nearest key there is.
    pub suggestion: Option<String>,
    /// All keys.
    pub keys: Vec<String>,
}

impl ExtraInfo {
    /// The entry of a key.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, key: &str) -> Result<&Addendum, UnknownKey> {
        self.entries.get(key).ok_or_else(|| UnknownKey {
            key: key.to_owned(),
            suggestion: nearest(key, self.entries.keys().map(String::as_str)).map(str::to_owned),
            keys: self.entries.keys().cloned().collect(),
        })
    }

    fn text(&mut self, key: &str, content_type: &'static str, content: impl Into<Vec<u8>>) {
        self.entries.insert(key.to_owned(), Addendum { content_type, content: content.into() });
    }

    /// Nothing that is told here cannot be JSON: the keys of all maps are texts.
    fn json(&mut self, key: &str, value: &impl Serialize) {
        self.text(key, JSON, serde_json::to_vec(value).unwrap_or_default());
    }
}

/// Everything that can be told of an image. Keys of layers that it does not have are left out. Nothing of it is run.
///
/// # Errors
/// When a layer cannot be read, or would give more text than anybody reads.
pub fn extra_info(image: &GadgetImage) -> Result<ExtraInfo, InspectError> {
    let mut info = ExtraInfo::default();
    oci::add(&mut info, image)?;
    if let Some(object) = &image.ebpf {
        ebpf::add(&mut info, image, object)?;
    }
    if let Some(module) = &image.wasm {
        wasm::add(&mut info, module)?;
    }
    Ok(info)
}

/// BPF instructions as text, one in a line; what is jumped to has a label. Any bytes give some text.
pub fn disassemble(code: &[u8]) -> String {
    listing::bare(code)
}
