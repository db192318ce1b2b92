//! The collector as its users run it: the real binary, the real kernel, real containers and receivers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod churn;
mod containers;
mod exporters;
mod gadgets;
mod ledger;
mod release;
mod reload;
mod run;
