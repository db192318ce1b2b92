//! Which optional members the values of `gadget_sockets` have, how long they are, and the type that says so to programs.

use std::fmt;
use std::str::FromStr;

use crate::gadget::btf::{Btf, BtfError, Kind, encode_info};

/// Bytes of a field whose size is not given.
const DEFAULT_SIZE: u32 = 512;
const MAX_SIZE: u32 = 4096;
/// Bytes in front of the optional members.
const FIXED: u32 = 88;
/// The struct, as programs know it.
const TYPE: &str = "gadget_socket_value";

/// The fixed members: name, C type, elements (0: no array), byte offset.
const MEMBERS: [(&str, Scalar, u32, u32); 11] = [
    ("mntns", Scalar::U64, 0, 0),
    ("pid_tgid", Scalar::U64, 0, 8),
    ("uid_gid", Scalar::U64, 0, 16),
    ("task", Scalar::Char, 16, 24),
    ("ptask", Scalar::Char, 16, 40),
    ("sock", Scalar::U64, 0, 56),
    ("deletion_timestamp", Scalar::U64, 0, 64),
    ("ppid", Scalar::U32, 0, 72),
    ("ptid", Scalar::U32, 0, 76),
    ("ipv6only", Scalar::Char, 0, 80),
    ("optional_fields_start", Scalar::U64, 0, FIXED),
];

/// Sizes of the optional members in bytes, 0 for those that are absent. From text: `cwd=512,exepath=512`; a name alone means 512.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketFields {
    cwd: u32,
    exepath: u32,
}

impl Default for SocketFields {
    fn default() -> Self {
        SocketFields { cwd: DEFAULT_SIZE, exepath: DEFAULT_SIZE }
    }
}

/// Why a text does not name fields of sockets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SocketFieldsError {
    /// There is no such field.
    #[error("sockets have no optional field {0:?}, only cwd and exepath")]
    Unknown(String),
    /// Its size.
    #[error("the size of socket field {field} must be a power of two up to {MAX_SIZE}, not {size:?}")]
    Size {
        /// The field.
        field: String,
        /// What was given.
        size: String,
    },
}

impl SocketFields {
    /// Sizes from the items of a list, each `name` or `name=size`. Fields that are not listed are absent.
    ///
    /// # Errors
    /// At the first unknown name or impossible size.
    pub fn of<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, SocketFieldsError> {
        let mut fields = SocketFields { cwd: 0, exepath: 0 };
        for item in items.into_iter().map(str::trim).filter(|item| !item.is_empty()) {
            let (name, size) = item.split_once('=').map_or((item, None), |(name, size)| (name.trim(), Some(size.trim())));
            let field = match name {
                "cwd" => &mut fields.cwd,
                "exepath" => &mut fields.exepath,
                _ => return Err(SocketFieldsError::Unknown(name.to_owned())),
            };
            *field = size.map_or(Ok(DEFAULT_SIZE), |size| parse_size(name, size))?;
        }
        Ok(fields)
    }

    /// Bytes of a value in the map.
    pub fn value_size(&self) -> u32 {
        // The struct is made of 8-byte words, so is what the kernel keeps of it.
        (FIXED + self.cwd + self.exepath).next_multiple_of(8)
    }

    /// The effective struct as types that programs are fitted to, and its id.
    pub(in crate::loader) fn types(&self) -> Result<(Btf<'static>, u32), BtfError> {
        let mut types = Btf::empty();
        let scalars = [Scalar::Char, Scalar::U32, Scalar::U64].map(|scalar| scalar.add(&mut types));
        let [Ok(char), Ok(u32), Ok(u64)] = scalars else { return Err(BtfError::TooManyTypes { limit: 3 }) };
        let mut members = Vec::with_capacity(MEMBERS.len() + 2);
        for (name, scalar, elements, offset) in MEMBERS {
            let element = match scalar {
                Scalar::Char => char,
                Scalar::U32 => u32,
                Scalar::U64 => u64,
            };
            let is_array = elements > 0 || offset == FIXED;
            let id = if is_array { array(&mut types, element, u32, elements)? } else { element };
            members.push((types.add_string(name)?, id, offset));
        }
        for (name, size, offset) in [("cwd", self.cwd, FIXED), ("exepath", self.exepath, FIXED + self.cwd)] {
            if size > 0 {
                let id = array(&mut types, char, u32, size)?;
                members.push((types.add_string(name)?, id, offset));
            }
        }
        let name = types.add_string(TYPE)?;
        let head = [name, encode_info(Kind::Struct, false, members.len() as u16), self.value_size()];
        let words = head.into_iter().chain(members.into_iter().flat_map(|(name, id, offset)| [name, id, offset * 8]));
        let id = types.add_type(&bytes(words))?;
        Ok((types, id))
    }
}

impl FromStr for SocketFields {
    type Err = SocketFieldsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        SocketFields::of(text.split(','))
    }
}

impl fmt::Display for SocketFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = [("cwd", self.cwd), ("exepath", self.exepath)].into_iter().filter(|(_, size)| *size > 0);
        for (index, (name, size)) in listed.enumerate() {
            write!(f, "{}{name}={size}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

fn parse_size(field: &str, text: &str) -> Result<u32, SocketFieldsError> {
    let size = text.parse().ok().filter(|size: &u32| size.is_power_of_two() && *size <= MAX_SIZE);
    size.ok_or_else(|| SocketFieldsError::Size { field: field.to_owned(), size: text.to_owned() })
}

#[derive(Clone, Copy)]
enum Scalar {
    Char,
    U32,
    U64,
}

impl Scalar {
    fn add(self, types: &mut Btf<'_>) -> Result<u32, BtfError> {
        /// In an integer's encoding: it is signed.
        const SIGNED: u32 = 1 << 24;
        let (name, size, encoding) = match self {
            Scalar::Char => ("char", 1, SIGNED),
            Scalar::U32 => ("unsigned int", 4, 0),
            Scalar::U64 => ("unsigned long long", 8, 0),
        };
        let name = types.add_string(name)?;
        types.add_type(&bytes([name, encode_info(Kind::Int, false, 0), size, encoding | (size * 8)]))
    }
}

fn array(types: &mut Btf<'_>, element: u32, index: u32, len: u32) -> Result<u32, BtfError> {
    types.add_type(&bytes([0, encode_info(Kind::Array, false, 0), 0, element, index, len]))
}

fn bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}
