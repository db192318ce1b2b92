//! What the collector counts about itself: the ledger of every gadget and exporter.

mod ledger;

pub use ledger::{Counter, DropReason, ExporterEntry, ExporterTotals, GadgetEntry, GadgetTotals, Ledger};
