//! Text of the two kinds of values that only the gadget's own types can explain: argument vectors and enums.

use crate::batch::Decode;
use crate::gadget::btf::{Btf, BtfError};

/// NUL-separated arguments, shown with blanks between them.
pub(super) struct Arguments;

impl Decode for Arguments {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let end = raw.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let used = raw.get(..end).unwrap_or_default();
        out.extend(used.iter().map(|b| if *b == 0 { b' ' } else { *b }));
    }
}

/// Names of an enum's values.
pub(super) struct Enum {
    /// In the order of declaration, extended to 64 bits.
    values: Vec<(u64, Box<str>)>,
    signed: bool,
    /// Of a bit set: what stands between the names.
    separator: Option<Box<str>>,
}

impl Enum {
    /// The names of enum `id`. One whose own name ends in `_set` is a bit set.
    pub(super) fn new(btf: &Btf<'_>, id: u32, separator: &str) -> Result<Self, BtfError> {
        let t = btf.get(id)?;
        let values = t.values().map(|v| Ok((v.value as u64, btf.string(v.name)?.into()))).collect::<Result<_, BtfError>>()?;
        let is_set = btf.string(t.name)?.ends_with("_set");
        Ok(Enum { values, signed: t.flag, separator: is_set.then(|| separator.into()) })
    }

    fn value(&self, raw: &[u8]) -> u64 {
        let mut wide = [0u8; 8];
        for (to, from) in wide.iter_mut().zip(raw) {
            *to = *from;
        }
        let unused = 64 - 8 * raw.len().clamp(1, 8) as u32;
        let bits = u64::from_le_bytes(wide);
        if self.signed { ((bits << unused) as i64 >> unused) as u64 } else { bits }
    }
}

impl Decode for Enum {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let value = self.value(raw);
        let Some(separator) = &self.separator else {
            let name = self.values.iter().find(|(v, _)| *v == value).map_or("UNKNOWN", |(_, name)| name);
            return out.extend_from_slice(name.as_bytes());
        };
        let mut first = true;
        for (_, name) in self.values.iter().filter(|(v, _)| value & v == *v) {
            if !first {
                out.extend_from_slice(separator.as_bytes());
            }
            first = false;
            out.extend_from_slice(name.as_bytes());
        }
    }
}
