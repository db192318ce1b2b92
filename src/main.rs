//! The `gadgetry` command.

fn main() {}
