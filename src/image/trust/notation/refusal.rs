//! Why a signature is not good: which of the specification's checks failed, and how.

use std::fmt;

/// The checks of "trust-store-trust-policy", section "Signature Verification details", by the names a policy's `override` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Integrity,
    Authenticity,
    AuthenticTimestamp,
    Expiry,
    Revocation,
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Check::Integrity => "integrity",
            Check::Authenticity => "authenticity",
            Check::AuthenticTimestamp => "authenticTimestamp",
            Check::Expiry => "expiry",
            Check::Revocation => "revocation",
        })
    }
}

/// A failed check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {reason}")]
pub(super) struct Refusal {
    pub(super) check: Check,
    pub(super) reason: String,
}

impl Refusal {
    /// A failure of the check that no policy relaxes.
    pub(super) fn integrity(reason: impl Into<String>) -> Self {
        Refusal { check: Check::Integrity, reason: reason.into() }
    }
}

/// Foreign text for a message: short, and without characters that would move a terminal's cursor.
pub(super) fn shown(text: &str) -> String {
    const LIMIT: usize = 200;
    let mut out: String =
        text.chars().take(LIMIT).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect();
    if text.chars().nth(LIMIT).is_some() {
        out.push_str("...");
    }
    out
}
