//! How much of a daemon's word is kept: lengths of texts, numbers of labels, what may be an id.

use std::collections::BTreeMap;

/// Longest name, label or annotation kept, in bytes.
pub(super) const TEXT_LIMIT: usize = 4096;
/// Most labels kept of one container.
pub(super) const LABEL_LIMIT: usize = 256;
/// Longest id of a container, in bytes. Engines use 64 digits, containerd takes up to 76 bytes from its users.
const ID_LIMIT: usize = 128;

/// The beginning of a text, at most [`TEXT_LIMIT`] bytes.
pub(super) fn text(text: &str) -> String {
    prefix(text, TEXT_LIMIT).to_owned()
}

/// The beginning of a text, at most `limit` bytes, cut between characters.
pub(super) fn prefix(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The labels whose key and value fit in [`TEXT_LIMIT`], of those the first [`LABEL_LIMIT`] by their keys.
pub(super) fn labels<K, V>(all: impl IntoIterator<Item = (K, V)>) -> BTreeMap<String, String>
where
    K: AsRef<str> + Into<String>,
    V: AsRef<str> + Into<String>,
{
    let mut labels = BTreeMap::new();
    for (key, value) in all {
        let full =
            labels.len() >= LABEL_LIMIT && labels.last_key_value().is_some_and(|(last, _): (&String, _)| last.as_str() < key.as_ref());
        if full || key.as_ref().len() + value.as_ref().len() > TEXT_LIMIT {
            continue;
        }
        labels.insert(key.into(), value.into());
        if labels.len() > LABEL_LIMIT {
            labels.pop_last();
        }
    }
    labels
}

/// Whether this can be a container's id: letters, digits and, not at either end, `-`, `_` and `.`.
pub(super) fn is_id(id: &str) -> bool {
    let ends = [id.bytes().next(), id.bytes().last()];
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    id.len() <= ID_LIMIT && ends.iter().all(|b| b.is_some_and(|b| b.is_ascii_alphanumeric())) && id.bytes().all(inside)
}
