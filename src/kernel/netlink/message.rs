//! Netlink's messages and attributes, from and to bytes.

use std::io;

/// NLMSG_ERROR: how a request ended, also when it went well.
pub(super) const ERROR: u16 = 2;
/// NLMSG_DONE: the end of a list.
pub(super) const OVER: u16 = 3;

const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;
const NESTED: u16 = 1 << 15;
const KIND: u16 = 0x3fff;

/// Attributes to be sent, in order.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    bytes: Vec<u8>,
}

impl Attributes {
    /// One more. Its value must be shorter than 64 KiB, or else the kernel refuses the message.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// One more, whose value is text that ends in NUL.
    #[must_use]
    pub fn with_text(self, kind: u16, text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.with(kind, &value)
    }

    /// One more, whose value is attributes.
    #[must_use]
    pub fn with_nested(self, kind: u16, inner: &Attributes) -> Self {
        self.with(kind | NESTED, &inner.bytes)
    }

    /// As they are sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A message to be sent.
pub(super) fn encode(kind: u16, flags: u16, sequence: u32, header: &[u8], attributes: &Attributes) -> Vec<u8> {
    let padded = header.len().next_multiple_of(4);
    let length = HEADER + padded + attributes.bytes.len();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&(length as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(header);
    bytes.resize(HEADER + padded, 0);
    bytes.extend_from_slice(&attributes.bytes);
    bytes
}

/// A received message.
pub(super) struct Received<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub contents: &'a [u8],
}

impl Received<'_> {
    /// What the message says at the end of an answer: a negative error number, or 0.
    pub(super) fn outcome(&self) -> io::Result<()> {
        match i32_at(self.contents, 0) {
            Some(0) => Ok(()),
            None if self.kind == OVER => Ok(()),
            Some(error) if error < 0 => Err(io::Error::from_raw_os_error(error.saturating_neg())),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "rtnetlink's answer makes no sense")),
        }
    }
}

/// The messages in what was received, up to the first that is not whole.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let (kind, flags, sequence) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?, u32_at(bytes, 8)?);
        let contents = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some(Received { kind, flags, sequence, contents })
    })
}

/// The attributes in bytes, kind and value of each, up to the first that is not whole.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & KIND;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The attribute of one kind among those in bytes.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Text up to its NUL.
pub(super) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|b| i32::from_ne_bytes(*b))
}
