//! Archives and layouts made by hand, as other tools write them or as nobody should.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sha2::Digest as _;

pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Header, content and padding of one entry.
pub fn entry(name: &str, content: &[u8], kind: u8) -> Vec<u8> {
    let mut bytes = header(name, format!("{:011o}\0", content.len()).as_bytes(), kind, 0o644);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A ustar header with owner and group, as Go writes them.
pub fn header(name: &str, size: &[u8], kind: u8, mode: u32) -> Vec<u8> {
    let mut header = vec![0; 512];
    let mode = format!("{mode:07o}\0");
    let fields: [(usize, &[u8]); 10] = [
        (0, name.as_bytes()),
        (100, mode.as_bytes()),
        (108, b"0000000\x000000000\0"),
        (124, size),
        (136, b"00000000000\0"),
        (156, &[kind]),
        (257, b"ustar\x0000"),
        (265, b"root"),
        (297, b"root"),
        (329, b"0000000\x000000000\0"),
    ];
    for (at, field) in fields {
        header[at..at + field.len()].copy_from_slice(field);
    }
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Entries and the mark of the end.
pub fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

/// A layout in memory.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    pub files: BTreeMap<String, Vec<u8>>,
    pub roots: Vec<Value>,
}

impl Layout {
    /// What is in a folder.
    pub fn read(folder: &Path) -> Self {
        let mut layout = Layout::default();
        layout.files.insert("oci-layout".to_owned(), std::fs::read(folder.join("oci-layout")).unwrap());
        for blob in std::fs::read_dir(folder.join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            let name = format!("blobs/sha256/{}", blob.file_name().to_str().unwrap());
            layout.files.insert(name, std::fs::read(blob.path()).unwrap());
        }
        let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
        layout.roots = index["manifests"].as_array().unwrap().clone();
        layout
    }

    /// A blob and its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let hex: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.files.insert(format!("blobs/sha256/{hex}"), bytes.to_vec());
        json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()})
    }

    /// The digest of a root.
    pub fn digest(&self, root: usize) -> String {
        self.roots[root]["digest"].as_str().unwrap().to_owned()
    }

    /// All its files, in the order in which a walk over the folder finds them.
    pub fn all(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files.clone();
        let index = json!({"schemaVersion": 2, "manifests": self.roots}).to_string();
        files.entry("index.json".to_owned()).or_insert(index.into_bytes());
        files.entry("oci-layout".to_owned()).or_insert(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
        files
    }

    /// As an archive.
    pub fn tar(&self) -> Vec<u8> {
        archive(&self.entries())
    }

    /// Its entries.
    pub fn entries(&self) -> Vec<Vec<u8>> {
        self.all().iter().map(|(name, bytes)| entry(name, bytes, b'0')).collect()
    }

    /// As a folder.
    pub fn write(&self, folder: &Path) {
        for (name, bytes) in self.all() {
            std::fs::create_dir_all(folder.join(&name).parent().unwrap()).unwrap();
            std::fs::write(folder.join(&name), bytes).unwrap();
        }
    }
}
