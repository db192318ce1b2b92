//! Paths, and forms of output.

use serde_json::Value;

use super::path::{Path, is_singular};
use super::{Output, render};
use crate::cli::exit::Failure;

/// A path that can find several values gives a list, also when it finds one.
#[test]
fn singular_paths_are_told_from_others() {
    for path in ["$", "$.a.b", "$[0].a", "$['a,*:']", r#"$["a\"..b"].c"#] {
        assert!(is_singular(path), "{path}");
    }
    for path in ["$.*", "$[*]", "$..a", "$[0,1]", "$[0:2]", "$[?@.a]"] {
        assert!(!is_singular(path), "{path}");
    }
}

/// The value itself, a list, or an error that names the path.
#[test]
fn paths_find_values() {
    let value = serde_json::json!({"layers": [{"mediaType": "a"}, {"mediaType": "b"}], "text": "x"});
    let at = |path: &str| Path::parse(path).unwrap().find(&value);
    assert_eq!(at(".layers[1].mediaType").unwrap(), "b");
    assert_eq!(at("$.text").unwrap(), "x");
    assert_eq!(at(".layers[*].mediaType").unwrap(), serde_json::json!(["a", "b"]));
    assert_eq!(at(".none[*]").unwrap(), serde_json::json!([]));
    assert!(matches!(at(".none"), Err(Failure::RunTime(error)) if error.to_string() == "there is nothing at $.none"));
    assert!(matches!(Path::parse("layers["), Err(Failure::Usage(text)) if text.starts_with("read --jsonpath \"layers[\"")));
}

/// A text stands for itself in every form of output; everything else ends in one line break.
#[test]
fn texts_are_printed_as_they_are() {
    for output in [Output::Json, Output::Jsonpretty, Output::Yaml] {
        assert_eq!(render(&Value::from("a\nb"), output).unwrap(), "a\nb\n");
    }
    assert_eq!(render(&serde_json::json!([1]), Output::Json).unwrap(), "[1]\n");
    assert_eq!(render(&serde_json::json!(["a"]), Output::Yaml).unwrap(), "- a\n");
}
