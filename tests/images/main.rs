//! Gadget images as their users move them: the real program, real registries, other people's tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod build;
mod cosign;
mod harness;
mod hostile_layouts;
mod hostile_registry;
mod inspect;
mod login;
mod notation;
mod registry;
mod rules;
mod store;
mod tars;
mod transfer;
