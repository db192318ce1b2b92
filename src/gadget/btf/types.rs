//! One type, decoded in place.

use super::BtfError;

/// Kind of a type, with the numbers of `include/uapi/linux/btf.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    Void = 0,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
}

const KINDS: [Kind; 20] = [
    Kind::Void,
    Kind::Int,
    Kind::Ptr,
    Kind::Array,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Fwd,
    Kind::Typedef,
    Kind::Volatile,
    Kind::Const,
    Kind::Restrict,
    Kind::Func,
    Kind::FuncProto,
    Kind::Var,
    Kind::Datasec,
    Kind::Float,
    Kind::DeclTag,
    Kind::TypeTag,
    Kind::Enum64,
];

impl Kind {
    /// Whether the type only names or qualifies another one.
    pub fn is_modifier(self) -> bool {
        matches!(self, Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag)
    }

    /// Whether it declares a variable, function, section or tag and is no type of values.
    pub fn is_declaration(self) -> bool {
        matches!(self, Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag)
    }

    /// Whether it is a struct or a union.
    pub fn is_composite(self) -> bool {
        matches!(self, Kind::Struct | Kind::Union)
    }

    /// Whether it is an enum of any size.
    pub fn is_enum(self) -> bool {
        matches!(self, Kind::Enum | Kind::Enum64)
    }

    /// Whether the word behind the info word is a type id (and not a size).
    pub(super) fn refers(self) -> bool {
        self.is_modifier() || matches!(self, Kind::Ptr | Kind::Func | Kind::FuncProto | Kind::Var | Kind::DeclTag)
    }
}

/// Encoding of an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int {
    /// Signed.
    pub signed: bool,
    /// Marked as character.
    pub char: bool,
    /// Marked as truth value.
    pub bool: bool,
    /// Width in bits.
    pub bits: u8,
}

/// An array type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array {
    /// Type id of an element.
    pub element: u32,
    /// Type id of the index.
    pub index: u32,
    /// Number of elements.
    pub len: u32,
}

/// Member of a struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Offset of the name, 0 for an anonymous one.
    pub name: u32,
    /// Type id.
    pub type_id: u32,
    /// Where it starts, in bits.
    pub bit_offset: u32,
    /// Width of a bit field; 0 for a normal member.
    pub bit_size: u32,
}

/// Enumerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnumValue {
    /// Offset of the name.
    pub name: u32,
    /// Value, sign- or zero-extended.
    pub value: i128,
}

/// Parameter of a function prototype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Offset of the name.
    pub name: u32,
    /// Type id.
    pub type_id: u32,
}

/// Variable in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasecEntry {
    /// Type id of the variable (or extern function).
    pub type_id: u32,
    /// Where it starts; 0 in an object that was not linked.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// A type, decoded in place.
#[derive(Debug, Clone, Copy)]
pub struct Type<'b> {
    /// Kind.
    pub kind: Kind,
    /// Offset of the name; 0 for an anonymous type.
    pub name: u32,
    /// The kind's flag: bit fields of a struct, sign of an enum, union of a forward declaration.
    pub flag: bool,
    /// Number of members, values, parameters or entries.
    pub len: u16,
    /// Size in bytes, or the id of the type referred to, depending on the kind.
    pub word: u32,
    rest: &'b [u8],
}

/// Little-endian u32 at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b))
}

fn words<const N: usize>(chunk: &[u8]) -> [u32; N] {
    std::array::from_fn(|i| word(chunk, i * 4).unwrap_or_default())
}

impl<'b> Type<'b> {
    pub(super) const VOID: Type<'static> = Type { kind: Kind::Void, name: 0, flag: false, len: 0, word: 0, rest: &[] };

    /// Decodes the type at the beginning of `bytes`; also says how long it is.
    pub(super) fn decode(bytes: &'b [u8]) -> Result<(Self, usize), BtfError> {
        let truncated = BtfError::Truncated { what: "type section" };
        let Some(head) = bytes.get(..12) else { return Err(truncated) };
        let [name, info, word] = words(head);
        let number = info >> 24 & 0x1f;
        let Some(&kind) = KINDS.get(number as usize).filter(|k| **k != Kind::Void) else {
            return Err(BtfError::UnknownKind { kind: number });
        };
        let len = info as u16;
        let end = 12 + extra(kind, len);
        let Some(rest) = bytes.get(12..end) else { return Err(truncated) };
        Ok((Type { kind, name, flag: info >> 31 == 1, len, word, rest }, end))
    }

    /// Encoding of an integer.
    pub fn int(&self) -> Option<Int> {
        let encoding = word(self.rest, 0).filter(|_| self.kind == Kind::Int)?;
        let bit = |n: u32| encoding >> (24 + n) & 1 == 1;
        Some(Int { signed: bit(0), char: bit(1), bool: bit(2), bits: encoding as u8 })
    }

    /// What an array holds.
    pub fn array(&self) -> Option<Array> {
        (self.kind == Kind::Array).then(|| {
            let [element, index, len] = words(self.rest);
            Array { element, index, len }
        })
    }

    /// Members of a struct or union; nothing for other kinds.
    pub fn members(&self) -> impl Iterator<Item = Member> + use<'b> {
        let flag = self.flag;
        self.chunks(12, self.kind.is_composite()).map(move |c| {
            let [name, type_id, offset] = words(c);
            let (bit_offset, bit_size) = if flag { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
            Member { name, type_id, bit_offset, bit_size }
        })
    }

    /// Enumerators; nothing for other kinds.
    pub fn values(&self) -> impl Iterator<Item = EnumValue> + use<'b> {
        let (signed, wide) = (self.flag, self.kind == Kind::Enum64);
        self.chunks(if wide { 12 } else { 8 }, self.kind.is_enum()).map(move |c| {
            let [name, low, high] = words(c);
            let long = u64::from(high) << 32 | u64::from(low);
            let value = match (wide, signed) {
                (false, false) => i128::from(low),
                (false, true) => i128::from(low as i32),
                (true, false) => i128::from(long),
                (true, true) => i128::from(long as i64),
            };
            EnumValue { name, value }
        })
    }

    /// Parameters of a function prototype; nothing for other kinds.
    pub fn params(&self) -> impl Iterator<Item = Param> + use<'b> {
        self.chunks(8, self.kind == Kind::FuncProto).map(|c| {
            let [name, type_id] = words(c);
            Param { name, type_id }
        })
    }

    /// Variables of a section; nothing for other kinds.
    pub fn entries(&self) -> impl Iterator<Item = DatasecEntry> + use<'b> {
        self.chunks(12, self.kind == Kind::Datasec).map(|c| {
            let [type_id, offset, size] = words(c);
            DatasecEntry { type_id, offset, size }
        })
    }

    /// Linkage of a variable: 0 static, 1 global, 2 extern.
    pub fn linkage(&self) -> Option<u32> {
        word(self.rest, 0).filter(|_| self.kind == Kind::Var)
    }

    /// The type referred to by a pointer, typedef, qualifier, variable, function or prototype (its return type).
    pub fn target(&self) -> Option<u32> {
        self.kind.refers().then_some(self.word)
    }

    fn chunks(&self, size: usize, applies: bool) -> std::slice::ChunksExact<'b, u8> {
        (if applies { self.rest } else { &[] }).chunks_exact(size)
    }
}

/// Bytes behind the 12 that all kinds have.
fn extra(kind: Kind, len: u16) -> usize {
    let len = usize::from(len);
    match kind {
        Kind::Int | Kind::Var | Kind::DeclTag => 4,
        Kind::Array => 12,
        Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => 12 * len,
        Kind::Enum | Kind::FuncProto => 8 * len,
        _ => 0,
    }
}
