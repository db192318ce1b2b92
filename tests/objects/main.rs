//! Small gadgets, one per marker, type, section form and oddity: compiled with three compilers, loaded, attached, triggered, and their
//! events compared with goldens. The same binary runs on this machine and, with what it compiled, in virtual machines of other kernels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod buffers;
mod core;
#[path = "../../src/loader/scope/uprobe/testing.rs"]
mod crafted;
mod forge;
mod harness;
mod hostile;
mod inside;
mod kernels;
mod markers;
mod network;
mod params;
mod polled;
mod programs;
mod trigger;
mod types;
mod uprobes;
