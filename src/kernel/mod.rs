//! What the running kernel says: clocks, features, processes, cgroups.

pub mod clock;
