//! Questions about types: names, typedef chains, sizes.

use super::{Btf, BtfError, Kind, MAX_DEPTH};

/// A type behind its typedefs and qualifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<'b> {
    /// Id of the first type that is neither typedef nor qualifier.
    pub id: u32,
    /// Typedef names on the way, outermost first.
    pub names: Vec<&'b str>,
}

/// A CO-RE name without its flavour: `task_struct` of `task_struct___old`.
pub fn essential_name(name: &str) -> &str {
    match name.split_once("___") {
        Some((essential, _)) if !essential.is_empty() => essential,
        _ => name,
    }
}

impl Btf<'_> {
    /// Name of a type; empty when it has none or none that is text.
    pub fn name(&self, id: u32) -> &str {
        self.get(id).and_then(|t| self.string(t.name)).unwrap_or_default()
    }

    /// The first type of its own of this name and kind.
    pub fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        self.starting_with(name, kind).find(|(_, rest)| rest.first() == Some(&0)).map(|(id, _)| id)
    }

    /// All types of this kind whose name without a flavour is `name`.
    pub fn candidates(&self, name: &str, kind: Kind) -> impl Iterator<Item = u32> {
        self.starting_with(name, kind).filter(|(_, rest)| rest.first() == Some(&0) || rest.starts_with(b"___")).map(|(id, _)| id)
    }

    /// Types of this kind whose names begin with `name`, and the string section from there on.
    fn starting_with(&self, name: &str, kind: Kind) -> impl Iterator<Item = (u32, &[u8])> {
        let heads = (0..self.offsets.len()).filter_map(move |index| Some((index, self.head(index)?)));
        heads.filter(move |(_, (_, k))| *k == kind as u32).filter_map(move |(index, (offset, _))| {
            let rest = self.text_from(offset)?.strip_prefix(name.as_bytes())?;
            Some(((self.before().0 + index) as u32 + 1, rest))
        })
    }

    /// Follows typedefs and qualifiers.
    ///
    /// # Errors
    /// When they refer to nothing or go in a circle.
    pub fn resolve(&self, id: u32) -> Result<Resolved<'_>, BtfError> {
        let mut names = Vec::new();
        let mut at = id;
        for _ in 0..MAX_DEPTH {
            let t = self.get(at)?;
            if !t.kind.is_modifier() {
                return Ok(Resolved { id: at, names });
            }
            if t.kind == Kind::Typedef {
                names.push(self.string(t.name)?);
            }
            at = t.word;
        }
        Err(BtfError::TooDeep { id })
    }

    /// As [`Btf::resolve`], only the id.
    ///
    /// # Errors
    /// As [`Btf::resolve`].
    pub fn peel(&self, id: u32) -> Result<u32, BtfError> {
        let mut at = id;
        for _ in 0..MAX_DEPTH {
            let t = self.get(at)?;
            if !t.kind.is_modifier() {
                return Ok(at);
            }
            at = t.word;
        }
        Err(BtfError::TooDeep { id })
    }

    /// Bytes a value of the type takes.
    ///
    /// # Errors
    /// When it has no size (functions, forward declarations, void), refers to nothing or goes in a circle.
    pub fn size(&self, id: u32) -> Result<u64, BtfError> {
        let mut at = id;
        let mut count = 1u64;
        for _ in 0..MAX_DEPTH {
            let t = self.get(at)?;
            let each = match t.kind {
                Kind::Int | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Float | Kind::Datasec => u64::from(t.word),
                Kind::Ptr => 8,
                Kind::Array => {
                    let array = t.array().ok_or(BtfError::Size { id })?;
                    count = count.checked_mul(u64::from(array.len)).ok_or(BtfError::Size { id })?;
                    at = array.element;
                    continue;
                }
                kind if kind.is_modifier() || kind == Kind::Var => {
                    at = t.word;
                    continue;
                }
                _ => return Err(BtfError::Size { id }),
            };
            return count.checked_mul(each).ok_or(BtfError::Size { id });
        }
        Err(BtfError::TooDeep { id })
    }

    /// Id of the variable of this name.
    pub fn variable(&self, name: &str) -> Option<u32> {
        self.find(name, Kind::Var)
    }

    /// Id of the struct of this name.
    pub fn structure(&self, name: &str) -> Option<u32> {
        self.find(name, Kind::Struct)
    }
}
