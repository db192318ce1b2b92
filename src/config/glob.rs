//! `*` and `?` in the last part of an include's path.

use std::io;
use std::path::{Path, PathBuf};

/// Most directory entries looked at for one pattern.
const MAX_ENTRIES: usize = 10_000;

/// Whether `text` is a pattern rather than a name.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Files of the pattern's directory that match its last part, by name. Names that start with a dot never match:
/// a mounted ConfigMap keeps its versions in such.
///
/// # Errors
/// When the directory cannot be read.
pub fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = directory(pattern);
    let name = pattern.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&directory)?.take(MAX_ENTRIES) {
        let entry = entry?;
        let matched = entry.file_name().to_str().is_some_and(|n| !n.starts_with('.') && matches(name, n));
        let path = entry.path();
        if matched && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The directory a path or pattern lies in, `.` for a bare name.
pub fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Whether `name` fits `pattern`. Runs in O(pattern × name).
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}
