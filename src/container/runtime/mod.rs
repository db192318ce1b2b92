//! Container runtimes: each follows one engine and writes what it hears into the inventory.

pub mod docker;

use std::path::PathBuf;

/// How a runtime is doing, for the health page and `list-containers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// `docker`, ...
    pub name: &'static str,
    /// Socket its engine listens on.
    pub socket: PathBuf,
    /// Whether it can be heard.
    pub state: RuntimeState,
}

/// Whether a runtime can be heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeState {
    /// The first attempt has not ended yet.
    Connecting,
    /// All its containers are in the inventory and its events arrive.
    Connected,
    /// It cannot be reached, for the reason given; tried again in the background.
    Waiting(String),
}
