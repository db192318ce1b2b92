//! What a user-space program is to be attached to, as its section or the metadata says.

use crate::loader::error::LoadError;
use crate::loader::hook::Hook;

/// In which files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Object {
    /// The file of this absolute path, as the container sees it.
    Path(String),
    /// The libraries of this name that the container's dynamic loader knows.
    Library(String),
}

/// Where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Point {
    /// Entry into a function.
    Entry(String),
    /// Return from a function.
    Return(String),
    /// A static probe.
    Static { provider: String, name: String },
}

impl Point {
    /// The function that has to be found.
    pub(super) fn function(&self) -> Option<&str> {
        match self {
            Point::Entry(name) | Point::Return(name) => Some(name),
            Point::Static { .. } => None,
        }
    }
}

/// Splits what a program's hook says.
///
/// # Errors
/// When it names no file, a relative path, or no function or probe.
pub(super) fn parse(program: &str, hook: &Hook) -> Result<(Object, Point), LoadError> {
    let (text, form) = match hook {
        Hook::Uprobe(text) | Hook::Uretprobe(text) => (text, "<path or library>:<function>"),
        Hook::Usdt(text) => (text, "<path or library>:<provider>:<probe>"),
        _ => return Err(LoadError::Invalid(format!("program {program:?} is not for user-space programs"))),
    };
    let parsed = split(text, hook);
    parsed.ok_or_else(|| LoadError::Invalid(format!("program {program:?} is to be attached to {text:?}, which is not of the form {form}")))
}

fn split(text: &str, hook: &Hook) -> Option<(Object, Point)> {
    let (file, rest) = text.split_once(':')?;
    if text.contains('\0') || file.is_empty() || rest.is_empty() {
        return None;
    }
    let object = match file.contains('/') {
        true if file.starts_with('/') => Object::Path(file.to_owned()),
        true => return None,
        false => Object::Library(file.to_owned()),
    };
    let point = match hook {
        Hook::Uretprobe(_) => Point::Return(rest.to_owned()),
        Hook::Usdt(_) => match rest.split_once(':') {
            Some((provider, name)) if !provider.is_empty() && !name.is_empty() => {
                Point::Static { provider: provider.to_owned(), name: name.to_owned() }
            }
            _ => return None,
        },
        _ => Point::Entry(rest.to_owned()),
    };
    Some((object, point))
}
