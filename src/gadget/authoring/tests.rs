//! Tests of metadata against objects.

use std::path::Path;

use super::*;
use crate::gadget::fixture;

fn image(metadata: &str) -> Option<GadgetImage> {
    let ebpf = Some(fixture::sample()?.to_vec());
    Some(GadgetImage { reference: "sample".to_owned(), metadata: metadata.as_bytes().to_vec(), ebpf, ..GadgetImage::default() })
}

fn messages(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Metadata that fits has no errors, whatever operators and templates add.
#[test]
fn metadata_that_fits_passes() {
    let Some(image) = image(include_str!("../testdata/sample.yaml")) else { return };
    assert_eq!(messages(&validate(&image, Path::new("g.yaml")).errors), [""; 0]);
}

/// Each fault is told with the place of its key, whichever case and style it is written in.
#[test]
fn faults_have_places() {
    let text = "name: x\nDataSources:\n  Things: {fields: {error_rew: {}, proc.pid: {annotations: {columns.hidden: 1}}}}\nparams:\n  ebpf:\n    verbose: {key: v, defaultValue: maybe}\n    counts: {key: c}\n";
    let Some(image) = image(text) else { return };
    let errors = messages(&validate(&image, Path::new("g.yaml")).errors);
    let expected = [
        "g.yaml:3:21: data source \"things\" has no field \"error_rew\", did you mean \"error_raw\"?",
        "g.yaml:3:61: columns.hidden cannot be \"1\"; there are true, false",
        "g.yaml:6:23: parameter \"v\" cannot be \"maybe\": allowed are true and false",
        "g.yaml:7:5: variable \"counts\" cannot be a parameter: it is not a global const volatile one",
    ];
    assert_eq!(errors, expected);
}

/// Metadata that is written from an object has no errors, and nothing can be added to it.
#[test]
fn what_is_written_is_complete() {
    let Some(mut image) = image("") else { return };
    let first = update(&image, "yes").unwrap();
    assert!(first.text.starts_with("name: \"yes\"\n"), "a name that YAML would take for something else is in quotes: {}", first.text);
    image.metadata = first.text.clone().into_bytes();
    assert_eq!(messages(&validate(&image, Path::new("g.yaml")).errors), [""; 0], "{}", first.text);
    assert_eq!(update(&image, "yes").unwrap(), Updated { text: first.text, added: Vec::new() });
}

/// Lines are added where they belong: behind the last line of their mapping, as far in as its other keys, behind keys without a value.
#[test]
fn lines_are_added_in_place() {
    let text = "# head\nname: x\ndescription: |\n    long\n    text\ndatasources:\n    things:   # ours\n        fields:\nparams:\n   ebpf:\n       threshold: {key: t}   # kept";
    let Some(mut image) = image(text) else { return };
    let updated = update(&image, "x").unwrap();
    assert!(text.lines().all(|line| updated.text.lines().any(|kept| kept == line)), "{}", updated.text);
    assert!(updated.text.contains("        fields:\n          timestamp_raw:\n            annotations:\n"), "{}", updated.text);
    assert!(updated.text.contains("# kept\n       targ_pid:\n         key: pid\n"), "{}", updated.text);
    assert!(updated.added.iter().any(|path| path == "params.ebpf.verbose") && !updated.added.iter().any(|path| path.contains("threshold")));
    image.metadata = updated.text.into_bytes();
    assert_eq!(update(&image, "x").unwrap().added, [""; 0]);
}

/// What cannot be added to line by line is refused with its place, and so is what is no metadata.
#[test]
fn what_has_no_lines_is_refused() {
    for (text, expected) in [("datasources: {things: {}}\n", "line 1, column 23"), ("- a\n", "mapping"), ("a: [\n", "YAML")] {
        let Some(image) = image(text) else { return };
        let error = update(&image, "x").unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
