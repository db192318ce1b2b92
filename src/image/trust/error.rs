//! Why an image is not trusted, and why it could not be signed.

use crate::image::ImageError;

/// An image may not run, or a key or policy cannot be used. Messages name the rule that refused it and leave out their `source`.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// None of the allowed gadgets.
    #[error("{reference} is not part of the allowed gadgets ({})", allowed.join(", "))]
    NotAllowed {
        /// The image, as far as it is known: with its digest when that decided.
        reference: String,
        /// The rules.
        allowed: Vec<String>,
    },
    /// Verification is required and no key or certificate is configured.
    #[error("verification of {reference} is required, but there is no public key and no certificate to verify it with")]
    NoVerifier {
        /// The image.
        reference: String,
    },
    /// There is no signature.
    #[error("{reference} has no signature")]
    Unsigned {
        /// The image.
        reference: String,
    },
    /// No signature is good.
    #[error("no signature of {reference} could be verified: {}", reasons.join("; "))]
    Unverified {
        /// The image.
        reference: String,
        /// What is wrong with each, with the method tried.
        reasons: Vec<String>,
    },
    /// A key, certificate or policy document that cannot be used.
    #[error("{what} cannot be used: {reason}")]
    Material {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
}

/// An image could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The store has no such image.
    #[error("{reference} is not in the store")]
    NotStored {
        /// The image.
        reference: String,
    },
    /// There are as many signatures as anybody looks at.
    #[error("{reference} has {count} signatures already")]
    TooMany {
        /// The image.
        reference: String,
        /// How many.
        count: usize,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] TrustError),
    /// The store.
    #[error(transparent)]
    Store(#[from] ImageError),
}
