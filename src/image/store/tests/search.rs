//! Tests of how one image is found among many: by text, as a parser would find it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn element(name: Option<&str>, digest: u64) -> Value {
    let mut element =
        json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": format!("sha256:{digest:064x}"), "size": digest});
    if let Some(name) = name {
        element["annotations"] = json!({ REF_NAME: name });
    }
    element
}

fn listing(value: &Value) -> Listing {
    Listing::of(serde_json::to_vec(value).unwrap())
}

/// Each of ten thousand is found, and what is not there is not.
#[test]
fn one_of_ten_thousand_is_found() {
    let all: Vec<Value> = (0..10_000).map(|n| element(Some(&full(&format!("g{n}"))), n)).collect();
    let listing = listing(&json!({"schemaVersion": 2, "manifests": all}));
    for n in [0, 1, 4_999, 9_999] {
        assert_eq!(listing.named(&full(&format!("g{n}"))).unwrap().unwrap().size(), n);
        assert_eq!(listing.find(&format!("sha256:{n:064x}"), |_| true).unwrap().unwrap().size(), n);
    }
    assert_eq!(listing.named(&full("g10000")).unwrap(), None);
    assert_eq!(listing.all().unwrap().len(), 10_000);
}

/// A name counts where it is the name of an element of the list, and nowhere else.
#[test]
fn only_names_of_roots_count() {
    let mut decoy = element(Some("other"), 1);
    decoy["annotations"]["x"] = json!("wanted");
    decoy["annotations"]["wanted"] = json!("x");
    let hidden = json!({"manifests": [element(Some("wanted"), 2)], "annotations": {REF_NAME: "wanted"}});
    let value =
        json!({"annotations": {REF_NAME: "wanted"}, "x": hidden, "subject": element(Some("wanted"), 3), "manifests": [decoy], "y": hidden});
    assert_eq!(listing(&value).named("wanted").unwrap(), None);
    let mut value = value;
    value["manifests"].as_array_mut().unwrap().extend([element(Some("wanted"), 4), element(Some("wanted"), 5)]);
    assert_eq!(listing(&value).named("wanted").unwrap().unwrap().size(), 4, "the first of two");
}

/// JSON that spells plain letters otherwise, breaks lines or has null for the list says the same.
#[test]
fn other_spellings_are_understood() {
    let text = serde_json::to_string_pretty(&json!({"manifests": [element(Some("a/b:c"), 7)]})).unwrap();
    for spelling in ["a/b:c", "a\\/b:c", "\\u0061/b:c", "a/b\\u003ac"] {
        let listing = Listing::of(text.replace("a/b:c", spelling).into_bytes());
        assert_eq!(listing.named("a/b:c").unwrap().map(|root| root.size()), Some(7), "{spelling}");
    }
    let listing = Listing::of(b" { \"schemaVersion\" : 2 ,\n\"manifests\" : null } ".to_vec());
    assert_eq!((listing.all().unwrap(), listing.named("a").unwrap(), listing.nameless().unwrap()), (vec![], None, vec![]));
}

proptest! {
    /// Searching the text and parsing all of it give the same answer, whatever the names and however it is laid out.
    #[test]
    fn text_and_parser_agree(names in prop::collection::vec(prop::option::of("[a-c/:\"\\\\\u{1}\u{e9}]{0,3}"), 0..8), wanted in "[a-c/:\"\\\\]{0,3}", pretty: bool, extra in "[a-c\"\\[\\]{},:\\\\ ]{0,12}") {
        let elements: Vec<Value> = names.iter().enumerate().map(|(n, name)| element(name.as_deref(), n as u64)).collect();
        let value = json!({"annotations": {"x": extra, extra.clone(): [extra]}, "manifests": elements, "z": extra});
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let listing = Listing::of(text);
        let all = listing.all().unwrap();
        let by_parser = all.iter().find(|root| name_of(root) == Some(&wanted)).cloned();
        prop_assert_eq!(listing.named(&wanted).unwrap(), by_parser);
        prop_assert_eq!(listing.nameless().unwrap(), all.into_iter().filter(|root| name_of(root).is_none()).collect::<Vec<_>>());
    }

    /// Any bytes end in an answer, and a text that was cut anywhere is no index.
    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..300usize) {
        let listing = Listing::of(bytes);
        let _ = (listing.all(), listing.named("a"), listing.nameless());
        let text = serde_json::to_vec(&json!({"manifests": [element(Some("a"), 1), element(Some("b"), 2)]})).unwrap();
        let listing = Listing::of(text[..cut.min(text.len() - 1)].to_vec());
        prop_assert!(listing.all().is_err());
        let _ = (listing.named("a"), listing.named("c"), listing.nameless());
    }
}
