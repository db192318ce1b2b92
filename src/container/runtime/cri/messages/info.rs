//! What runtimes tell beyond the interface, as JSON under the key `info` of verbose answers.

use serde::Deserialize;

use crate::container::runtime::bounds;
use crate::container::runtime::grpc::wire::{Malformed, Value};

/// Longest JSON that is read, in bytes.
const LIMIT: usize = 4 << 20;

/// See the module.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub pid: u32,
    #[serde(rename = "sandboxID")]
    pub sandbox_id: String,
}

impl Info {
    /// Takes an entry of the map `info`.
    pub fn read(&mut self, entry: Value<'_>) -> Result<(), Malformed> {
        let (key, json) = entry.entry()?;
        if key == b"info" && json.len() <= LIMIT {
            // A container without a process may have a negative number here: then nothing else of use either.
            *self = serde_json::from_slice(json).unwrap_or_default();
            self.sandbox_id = bounds::text(&self.sandbox_id);
        }
        Ok(())
    }
}
