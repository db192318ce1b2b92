//! Tests of the list of images.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn one() -> Row {
    Row {
        repository: "trace\u{1b}[2Jopen".to_owned(),
        tag: "latest".to_owned(),
        digest: format!("sha256:{}", "ab".repeat(32)),
        created: "2026-11-20T12:00:00Z".to_owned(),
        size: Some(1_234_567),
        embedded: true,
    }
}

/// Dates with fractions and zones become the second they mean; what is no date becomes nothing.
#[test]
fn dates_are_understood() {
    let cases = [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2000-02-29T23:59:59Z", Some(951_868_799)),
        ("2026-11-21T16:50:05.123456789+02:00", Some(1_795_272_605)),
        ("2026-11-21T14:50:05-00:00", Some(1_795_272_605)),
        ("", None),
        ("yesterday", None),
        ("2026-11-21", None),
        ("2026-11-21T14:50:05", None),
        ("9999-99-99T99:99:99Z", seconds("9999-99-99T99:99:99Z")),
        ("1969-12-31T00:00:00Z", None),
    ];
    for (text, expected) in cases {
        assert_eq!(seconds(text), expected, "{text}");
    }
}

/// Ages are told in their largest unit, and the singular is one.
#[test]
fn ages_are_told_in_words() {
    let told = [0, 60, 7_200, 86_400, 604_800 * 2, 2_592_000, 31_536_000 * 3].map(age);
    assert_eq!(told, ["less than a minute ago", "1 minute ago", "2 hours ago", "1 day ago", "2 weeks ago", "1 month ago", "3 years ago"]);
}

/// People get the beginning of the digest, an age and a size in units; pipes get everything; nobody gets control characters.
#[test]
fn a_terminal_gets_less_than_a_pipe() {
    let now = seconds("2026-11-21T13:00:00Z").unwrap();
    let short = table(&[one()], true, now);
    assert!(short.starts_with("REPOSITORY") && short.contains("EMBEDDED\n"), "{short}");
    assert!(
        short.contains("trace?[2Jopen") && short.contains(" abababababab ") && short.contains("1 day ago") && short.contains("1.2 MB"),
        "{short}"
    );
    let whole = table(&[one()], false, now);
    assert!(whole.contains(&one().digest) && whole.contains("2026-11-20T12:00:00Z") && whole.contains(" 1234567 "), "{whole}");
}

/// A time before the first year that can be meant is no age; in a pipe it stays what it is.
#[test]
fn epochs_are_no_ages() {
    let now = seconds("2026-11-21T13:00:00Z").unwrap();
    for (created, told) in
        [("1970-01-01T00:00:00Z", "-"), ("0001-01-01T00:00:00Z", "-"), ("", "-"), ("1980-01-01T00:00:00Z", "46 years ago")]
    {
        let row = Row { created: created.to_owned(), ..one() };
        assert_eq!(cells(&row, true, now)[3], told, "{created}");
        assert_eq!(cells(&row, false, now)[3], created);
    }
}

/// Images of a further store are listed unless the first has their names.
#[test]
fn further_stores_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::of(["ours", "theirs"].map(|name| folder.path().join(name)).to_vec());
    let put = |number: usize, gadget: &str, name: &str| {
        let (store, layout) = (stores.all().nth(number).unwrap(), embedded_layout(gadget).unwrap());
        let mut root = layout.roots().unwrap().remove(0);
        let staging = store.stage().unwrap();
        staging.copy(&layout, &root).unwrap();
        crate::image::store::set_name(&mut root, name);
        staging.commit(vec![root]).unwrap();
    };
    put(0, "trace_open", "quay.io/x/both:1");
    put(1, "trace_exec", "quay.io/x/both:1");
    put(1, "trace_exec", "quay.io/x/theirs:1");
    let rows = rows(&stores).unwrap();
    let listed: Vec<_> = rows.iter().filter(|row| !row.embedded).map(|row| row.repository.as_str()).collect();
    assert_eq!(listed, ["quay.io/x/both", "quay.io/x/theirs"]);
    let digest = |name: &str| rows.iter().find(|row| row.repository == name).unwrap().digest.clone();
    assert_eq!(digest("quay.io/x/both"), digest("trace_open"));
    std::fs::write(folder.path().join("theirs/index.json"), "broken").unwrap();
    assert_eq!(super::rows(&stores).unwrap().len(), rows.len() - 1, "one that cannot be read is left out");
}
