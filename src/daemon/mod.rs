//! See ARCHITECTURE.md.

pub mod watch;
