//! The collector as its users run it: the real binary, the real kernel, real containers and receivers.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod containers;
mod exporters;
mod gadgets;
mod ledger;
mod release;
mod reload;
