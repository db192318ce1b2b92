//! How errors and counts are written.

use super::{exit, ledger};

#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Link {
    text: &'static str,
    source: Option<Box<Link>>,
}

fn chained(texts: &[&'static str]) -> String {
    let link = texts.iter().rev().fold(None, |source, text| Some(Box::new(Link { text, source })));
    exit::chain(&*link.unwrap())
}

#[test]
fn an_error_is_followed_by_its_causes_each_once() {
    assert_eq!(chained(&["open x", "permission denied"]), "open x: permission denied");
    assert_eq!(chained(&["read filter: bad level", "bad level", "line 3"]), "read filter: bad level: line 3");
}

#[test]
fn numbers_have_their_thousands_apart() {
    assert_eq!([0, 999, 1000, 1_234_567].map(ledger::grouped), ["0", "999", "1,000", "1,234,567"]);
}
