//! Real container runtimes, each our own: what they run is in the inventory under its name within a second, and gone after its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/bundle.rs"]
mod bundle;
#[path = "../support/docker.rs"]
mod engine;
#[path = "../support/containerd.rs"]
mod harness;
#[path = "../support/podman.rs"]
mod podman_service;

mod containerd;
mod cri;
mod follow;
mod kubelet;
mod plain;
mod podman;
