//! Whether an image may run: the allowed gadgets, and signatures by cosign and notation. Nothing here asks the network.

mod allowed;
pub mod cosign;
mod error;
mod locate;
mod material;
pub mod notation;
mod policy;
#[cfg(test)]
mod tests;

pub use allowed::Allowance;
pub use error::{SignError, TrustError};
pub use locate::signatures_of;
pub use material::{Artifact, Kind, Signatures, Subject, artifacts};
pub use policy::{Policy, Verified};
