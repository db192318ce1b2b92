//! Gadget images as their users move them: the real program, real registries, other people's tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod cosign;
mod cosign;
mod cosign;
mod build;
mod build;
mod cosign;
mod build;
mod cosign;
mod build;
mod cosign;
mod harness;
mod hostile_layouts;
mod hostile_registry;
mod login;
mod notation;
mod registry;
mod rules;
mod store;
mod tars;
mod transfer;
