//! Gadget images as their users move them: the real program, real registries, other people's tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod harness;
mod inspect;
