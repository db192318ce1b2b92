//! A gadget's bytes and what they mean: metadata, parameters, types, data sources.

pub mod btf;
pub mod manifest;
