//! Whether an image may run: the allowed gadgets, and signatures by cosign and notation. Nothing here asks the network.

mod allowed;
pub mod cosign;
mod error;
mod material;
pub mod notation;
mod policy;

pub use error::TrustError;
pub use material::{Artifact, Kind, Subject, artifacts};
pub use policy::{Policy, Verified};
