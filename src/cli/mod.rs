//! See ARCHITECTURE.md.

pub mod list_containers;
