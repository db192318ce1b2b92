//! Images on the move between a store and a file: an OCI layout as a tar archive (written), or as an archive or folder of anybody's (read).
//! Upstream's tool reads and writes the same (`gadget-abi.md` section 1.12).

mod destination;
mod error;
mod export;
mod import;
mod names;
mod select;
#[cfg(test)]
mod tests;
mod time;
mod tree;

pub use destination::write_file;
pub use error::TransferError;
pub use export::Export;
pub use import::{Imported, import, survey};
pub use names::Naming;

/// Bytes a compressed or streamed archive may have when it is imported, once it is expanded: it is spooled to a file.
pub const IMPORT_LIMIT: u64 = 1 << 30;
/// Annotation by which containerd and docker name an image whose `org.opencontainers.image.ref.name` is only a tag.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Told how many bytes of how many have been moved.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;
