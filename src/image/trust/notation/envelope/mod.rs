//! Signature envelopes: what they say and what is signed in them, taken apart without judging who signed.

mod cose;
mod jws;

use super::algorithm::Algorithm;
use super::attributes::Attributes;

/// Bytes of an envelope.
const SIZE_LIMIT: usize = 1024 * 1024;

/// An envelope taken apart. Nothing in it is to be believed before its signature is verified.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) algorithm: Algorithm,
    pub(super) attributes: Attributes,
    pub(super) payload: Vec<u8>,
    /// The bytes that are signed.
    pub(super) signed: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// Certificates (DER), the signer's first.
    pub(super) chain: Vec<Vec<u8>>,
    /// A timestamp by an authority is there. It is not evaluated.
    pub(super) timestamped: bool,
}

impl Envelope {
    /// Takes an envelope of a layer's media type apart; the reason when it is malformed or asks for what is unknown.
    pub(super) fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > SIZE_LIMIT {
            return Err(format!("its envelope has more than {SIZE_LIMIT} bytes"));
        }
        match media_type {
            "application/jose+json" => jws::parse(bytes),
            "application/cose" => cose::parse(bytes),
            other => Err(format!("its envelope is of the unknown type {:?}", super::refusal::shown(other))),
        }
    }
}
