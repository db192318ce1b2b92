//! What the running kernel says: clocks, features, processes, cgroups.

pub mod clock;
pub mod memory;
pub mod wait;
