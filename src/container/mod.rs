//! Which containers run here: the inventory, what its entries say, the selector of a gadget, and the runtimes that fill it.
//!
//! Runtimes write through [`Inventory`]; everybody else reads an immutable [`Snapshot`], loaded once per batch.

pub mod dictionary;
mod hash;
mod index;
mod inventory;
mod keeper;
pub mod oci;
mod process;
mod record;
mod resource;
pub mod runtime;
mod selector;
pub mod sighting;
mod snapshot;
#[cfg(test)]
mod tests;
mod units;

pub use dictionary::Attribute;
pub use inventory::{GRACE, Gate, Inventory, InventoryStats, MAX_CONTAINERS, Owner as ProcessOwner, SeenNamespace};
pub use process::{host_mntns, host_process};
pub use record::{Container, KubernetesMeta, Owner, Pod, RuntimeMeta};
pub use selector::{Follower, InvalidTerm, LabelTerms, Selector, Terms};
pub use snapshot::{Naming, PATIENCE, Snapshot, UNNAMED_ENTRY};

/// Whether this process runs in a Kubernetes cluster.
pub fn in_kubernetes() -> bool {
    ["NODE_NAME", "KUBERNETES_SERVICE_HOST"].iter().any(|key| std::env::var_os(key).is_some_and(|value| !value.is_empty()))
}
