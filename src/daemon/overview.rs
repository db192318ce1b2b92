//! What the daemon shows of itself to whoever runs it.

use std::net::SocketAddr;
use std::time::Instant;

use super::DaemonError;
use crate::component::ExporterStatus;
use crate::config::Diff;
use crate::telemetry::GadgetTotals;

/// A gadget and what it is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GadgetState {
    /// Name in the configuration.
    pub name: String,
    /// Its image as written in the configuration.
    pub image: String,
    /// Whether its worker runs.
    pub running: bool,
}

/// The daemon at one moment.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When it was looked at.
    pub at: Instant,
    /// The gadgets of the configuration.
    pub gadgets: Vec<GadgetState>,
    /// The counts of all gadgets that run or ran.
    pub totals: Vec<GadgetTotals>,
    /// The exporters of the configuration.
    pub exporters: Vec<(String, ExporterStatus)>,
    /// The container runtimes, and where they are or why not.
    pub runtimes: Vec<(String, String)>,
    /// Where the collector's own metrics are.
    pub telemetry: Option<SocketAddr>,
    /// Where its health page is.
    pub health: Option<SocketAddr>,
}

/// Told what the daemon does. Called on the daemon's own task: must not block for long.
pub trait Observer: Send {
    /// Everything of the configuration runs.
    fn started(&mut self, overview: &Overview);
    /// A second has passed.
    fn tick(&mut self, overview: &Overview);
    /// The configuration changed and was applied, or was refused and changed nothing.
    fn reloaded(&mut self, result: Result<&Diff, &DaemonError>);
    /// The shutdown has begun.
    fn stopping(&mut self);
    /// Everything has ended; the counts are final.
    fn stopped(&mut self, overview: &Overview);
}
