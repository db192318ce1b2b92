//! Protocol Buffers messages, read field by field from the bytes that arrived. Nothing is copied and nothing grows, so that a
//! message costs no more memory than its own length whatever is in it.

use std::borrow::Cow;

use crate::container::runtime::bounds::{self, TEXT_LIMIT};

/// The bytes are no such message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not such a message")]
pub(in crate::container::runtime) struct Malformed;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::container::runtime) enum Value<'a> {
    /// Any number; signed ones in two's complement.
    Number(u64),
    /// A text, some bytes, or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a text or message.
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Number(_) => Err(Malformed),
        }
    }

    /// A number, 0 when it does not fit.
    pub fn number<N: TryFrom<u64> + Default>(self) -> Result<N, Malformed> {
        match self {
            Value::Number(number) => Ok(N::try_from(number).unwrap_or_default()),
            Value::Bytes(_) => Err(Malformed),
        }
    }

    /// A signed number.
    pub fn signed(self) -> Result<i64, Malformed> {
        match self {
            Value::Number(number) => Ok(number as i64),
            Value::Bytes(_) => Err(Malformed),
        }
    }

    /// A text of at most [`TEXT_LIMIT`] bytes; longer ones are cut.
    pub fn text(self) -> Result<String, Malformed> {
        let bytes = self.bytes()?;
        Ok(match bytes.get(..TEXT_LIMIT) {
            // Perhaps cut within a character.
            Some(cut) => bounds::text(lossy(cut).trim_end_matches(char::REPLACEMENT_CHARACTER)),
            None => bounds::text(&lossy(bytes)),
        })
    }

    /// The fields of a message.
    pub fn fields(self) -> Result<Fields<'a>, Malformed> {
        Ok(Fields(self.bytes()?))
    }

    /// Key and value of a map's entry whose values are texts or messages.
    pub fn entry(self) -> Result<(&'a [u8], &'a [u8]), Malformed> {
        let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
        for field in self.fields()? {
            match field? {
                (1, field) => key = field.bytes()?,
                (2, field) => value = field.bytes()?,
                _ => {}
            }
        }
        Ok((key, value))
    }

    /// A `google.protobuf.Timestamp` in nanoseconds since the Unix epoch; 0 when it cannot be told.
    pub fn timestamp(self) -> Result<i64, Malformed> {
        let (mut seconds, mut nanos) = (0_i64, 0);
        for field in self.fields()? {
            match field? {
                (1, field) => seconds = field.signed()?,
                (2, field) => nanos = field.signed()?,
                _ => {}
            }
        }
        Ok(seconds.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(nanos)).filter(|ns| *ns > 0).unwrap_or(0))
    }
}

/// Text of bytes that should be UTF-8.
pub(in crate::container::runtime) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The fields of a message, in the order in which they were written. Ends at the first that cannot be read.
#[derive(Debug, Clone, Copy)]
pub(in crate::container::runtime) struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number != 0)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Number(u32::from_le_bytes(self.take(4)?.try_into().ok()?).into()),
            // Groups went out of use long before gRPC.
            _ => return None,
        };
        Some((number, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
