//! See ARCHITECTURE.md.
pub mod prepare;
