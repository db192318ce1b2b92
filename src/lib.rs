//! gadgetry runs eBPF gadgets and ships what they see. ARCHITECTURE.md names the files to read first.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod admin;
pub mod batch;
pub mod cli;
pub mod component;
pub mod components;
pub mod config;
pub mod container;
pub mod daemon;
pub mod datasource;
pub mod decoder;
pub mod exporter;
pub mod gadget;
pub mod image;
pub mod inspect;
pub mod kernel;
pub mod kubernetes;
pub mod loader;
pub mod operator;
pub mod pipeline;
pub mod telemetry;
