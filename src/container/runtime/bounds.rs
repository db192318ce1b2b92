//! How much of a daemon's word is kept: lengths of texts, numbers of labels, what may be an id.

use std::collections::BTreeMap;

use crate::container::record::Container;

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

/// Labels as they are read: those whose key and value fit in [`TEXT_LIMIT`], of those the first [`LABEL_LIMIT`] by their keys.
#[derive(Debug, Default)]
pub(super) struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Takes one more label, or leaves it.
    pub fn add(&mut self, key: &str, value: &str) {
        let behind_last = || self.0.last_key_value().is_some_and(|(last, _)| last.as_str() < key);
        if key.len() + value.len() > TEXT_LIMIT || (self.0.len() >= LABEL_LIMIT && behind_last()) {
            return;
        }
        self.0.insert(key.to_owned(), value.to_owned());
        if self.0.len() > LABEL_LIMIT {
            self.0.pop_last();
        }
    }

    /// What was kept.
    pub fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }
}

/// The labels of a map that are kept, see [`Labels`].
pub(super) fn labels<K: AsRef<str>, V: AsRef<str>>(all: impl IntoIterator<Item = (K, V)>) -> BTreeMap<String, String> {
    let mut labels = Labels::default();
    all.into_iter().for_each(|(key, value)| labels.add(key.as_ref(), value.as_ref()));
    labels.into_map()
}

/// Whether this can be a container's id: letters, digits and, not at either end, `-`, `_` and `.`.
pub(super) fn is_id(id: &str) -> bool {
    let ends = [id.bytes().next(), id.bytes().last()];
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    id.len() <= ID_LIMIT && ends.iter().all(|b| b.is_some_and(|b| b.is_ascii_alphanumeric())) && id.bytes().all(inside)
}

/// About how many bytes a record's labels and annotations take.
pub(super) fn weight(container: &Container) -> usize {
    container.labels.iter().chain(&container.annotations).map(|(key, value)| key.len() + value.len() + 64).sum::<usize>() + 512
}
