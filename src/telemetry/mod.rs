//! What the collector says about itself: the ledger of every gadget and exporter, its process, its log, its own traces and metrics.

mod ledger;
pub mod logging;
pub mod otel;
pub mod process;
pub mod terminal;

pub use ledger::{Counter, Coverage, DropReason, ExporterEntry, ExporterTotals, GadgetEntry, GadgetTotals, Ledger, SelectionGauge};
