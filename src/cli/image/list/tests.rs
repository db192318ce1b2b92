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
