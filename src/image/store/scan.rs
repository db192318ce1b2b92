//! Where the elements of the list `manifests` are in the text of an `index.json`, without making anything of the rest. Ten thousand
//! elements are passed in a few milliseconds. What is found is only believed once a JSON parser has read it.

use std::ops::Range;

use memchr::memchr2;

/// The list of `manifests`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// Its place in the text, brackets included; that of `null` when it says so.
    pub place: Range<usize>,
    /// Places of its elements.
    pub elements: Vec<Range<usize>>,
}

/// Finds the list. None when the text is not made as expected, or has more than `limit` elements.
pub(super) fn list(text: &[u8], limit: usize) -> Option<List> {
    let start = find(text)?;
    if text.get(start..)?.starts_with(b"null") {
        return Some(List { place: start..start + 4, elements: Vec::new() });
    }
    let mut elements = Elements::new(text, start)?;
    let mut found = Vec::new();
    for element in elements.by_ref() {
        if found.len() == limit {
            return None;
        }
        found.push(element);
    }
    Some(List { place: start..elements.end?, elements: found })
}

/// Places of the elements, one after the other. Ends early where the text is malformed.
pub(super) struct Elements<'t> {
    text: &'t [u8],
    at: usize,
    /// Behind the closing bracket, once it was reached.
    pub end: Option<usize>,
}

impl<'t> Elements<'t> {
    fn new(text: &'t [u8], start: usize) -> Option<Self> {
        (text.get(start) == Some(&b'[')).then_some(Elements { text, at: start + 1, end: None })
    }

    /// Those of the list in `text`.
    pub(super) fn of(text: &'t [u8]) -> Option<Self> {
        Elements::new(text, find(text)?)
    }
}

impl Iterator for Elements<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.end.is_some() {
            return None;
        }
        let start = blanks(self.text, self.at);
        if self.text.get(start) == Some(&b']') {
            self.end = Some(start + 1);
            return None;
        }
        let end = value(self.text, start)?;
        let behind = blanks(self.text, end);
        match self.text.get(behind)? {
            b',' => self.at = behind + 1,
            b']' => self.at = behind,
            _ => return None,
        }
        Some(start..end)
    }
}

/// Where the value of the member `manifests` of the outermost object begins.
fn find(text: &[u8]) -> Option<usize> {
    let mut at = blanks(text, 0);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    loop {
        let key = blanks(text, at + 1);
        if text.get(key) != Some(&b'"') {
            return None;
        }
        let end = value(text, key)?;
        let colon = blanks(text, end);
        if text.get(colon) != Some(&b':') {
            return None;
        }
        let start = blanks(text, colon + 1);
        if text.get(key..end) == Some(br#""manifests""#) {
            return Some(start);
        }
        at = blanks(text, value(text, start)?);
        if text.get(at) != Some(&b',') {
            return None;
        }
    }
}

fn blanks(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// The end of the value that begins at `start`; it has at least one byte.
fn value(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => string(text, start),
        b'{' | b'[' => nested(text, start),
        _ => {
            let word = text.get(start..)?.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')).count();
            (word > 0).then_some(start + word)
        }
    }
}

/// The end of the string that begins at `start`.
fn string(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The end of the object or list that begins at `start`.
fn nested(text: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at = string(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}
