//! Packet filters: tcpdump expressions compiled to the instructions that a gadget's `gadget_pf_<name>` function begins with.
//!
//! The contract is `gadget-abi.md` section 3.12, the language the part of pcap-filter(7) that Ethernet frames without VLAN tags need.

mod ast;
mod emit;
mod inject;
mod lexer;
mod names;
mod parser;
mod primitives;
#[cfg(test)]
mod tests;

use aya_obj::generated::bpf_insn;

pub(super) use inject::inject;

/// The expression that nothing matches.
const REJECT_ALL: &str = "__reject_all__";

/// What is wrong with a filter expression.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("at byte {at}: {problem}")]
pub struct FilterError {
    /// Byte of the expression.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
}

impl FilterError {
    fn new(at: usize, problem: impl Into<String>) -> Self {
        FilterError { at, problem: problem.into() }
    }
}

/// The instructions to put in front of the function; none for an empty expression, which everything matches.
///
/// They expect the frame's first byte in R4 and its end in R5, and leave R1 to R3 equal and R4 unlike R5 exactly when the frame matches.
///
/// # Errors
/// When the expression cannot be understood, or is too long.
pub fn compile(expression: &str) -> Result<Vec<bpf_insn>, FilterError> {
    match expression.trim() {
        "" => Ok(Vec::new()),
        REJECT_ALL => Ok(emit::nothing_matches()),
        expression => emit::program(&parser::parse(expression)?),
    }
}
