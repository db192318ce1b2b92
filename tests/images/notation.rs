//! Signatures by notation: those the real tool makes, and envelopes made here for what the tool refuses to make.

mod bench;
mod chains;
mod envelopes;
mod keys;
mod policies;
mod tool;
