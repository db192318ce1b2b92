//! See ARCHITECTURE.md.

pub mod validate;
