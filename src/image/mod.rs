//! Stub of the image layer; the merge keeps part 1's.

use std::collections::BTreeMap;

/// A gadget image.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct GadgetImage {
    pub reference: String,
    pub digest: String,
    pub version: String,
    pub annotations: BTreeMap<String, String>,
    pub metadata: Vec<u8>,
    pub ebpf: Option<Vec<u8>>,
    pub wasm: Option<Vec<u8>>,
}
