//! Times, distinguished names and levels as texts.

use std::collections::BTreeMap;

use super::identity::Identity;
use super::level::{Action, Level};
use super::refusal::{Check, shown};
use super::time::rfc3339;

#[test]
fn a_time_is_seconds_since_1970_whatever_its_zone() {
    assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(rfc3339("2022-04-06T07:01:20Z"), Some(1_649_228_480));
    assert_eq!(rfc3339("2022-04-06T09:31:20.123456789+02:30"), Some(1_649_228_480));
    assert_eq!(rfc3339("2000-02-29t23:59:59-00:01"), Some(951_868_859));
    assert_eq!(rfc3339("1969-12-31T23:59:59z"), Some(-1));
    assert_eq!(rfc3339("9999-12-31T23:59:59Z"), Some(253_402_300_799));
}

#[test]
fn what_is_no_time_is_refused() {
    let texts = [
        "",
        "2022-04-06",
        "2022-04-06T07:01:20",
        "2022-13-06T07:01:20Z",
        "2022-02-29T07:01:20Z",
        "2022-04-06T24:01:20Z",
        "2022-04-06 07:01:20Z",
    ];
    for text in
        texts.into_iter().chain(["2022-04-06T07:01:20.Z", "2022-04-06T07:01:20+2:00", "2022-04-06T07:01:20Zx", "+022-04-06T07:01:20Z"])
    {
        assert_eq!(rfc3339(text), None, "{text}");
    }
}

#[test]
fn a_name_is_the_same_in_any_order_and_spelling() {
    let name = Identity::parse("C=US, ST=WA, O=Acme\\, Inc. ,CN=\\ a\\3b b\\\\ ").unwrap();
    assert_eq!(name, Identity::parse(" cn=\\20a\\;\\20b\\5C,2.5.4.10=Acme\\2C Inc.,S=WA,c=US").unwrap());
}

#[test]
fn what_is_no_name_of_country_state_and_organization_is_refused() {
    for (text, reason) in [
        ("", "an attribute without ="),
        ("C=US,ST=WA", "O must be named, too"),
        ("C=US,ST=WA,O=a,", "an attribute without ="),
        ("C=US,ST=WA,O=", "O is empty"),
        ("C=US,ST=WA,O=a,O=b", "O is there twice"),
        ("C=US,ST=WA,S=WA,O=a", "ST is there twice"),
        ("C=US,ST=WA,O=a;CN=b", "must be escaped"),
        ("C=US,ST=WA,O=a+CN=b", "must be escaped"),
        ("C=US,ST=WA,O=a\\", "a backslash at the end"),
        ("C=US,ST=WA,O=\\ff", "a value is not UTF-8"),
        ("C=US,ST=WA,O=a,COMMON=b", "the attribute type \"COMMON\" is unknown"),
    ] {
        let said = Identity::parse(text).expect_err(text);
        assert!(said.contains(reason), "{text}: {said}");
    }
}

#[test]
fn a_name_covers_those_that_say_more() {
    let (wide, narrow) = (Identity::parse("C=US,ST=WA,O=a").unwrap(), Identity::parse("C=US,ST=WA,O=a,CN=b").unwrap());
    assert!(wide.covers(&narrow) && !narrow.covers(&wide));
}

#[test]
fn levels_enforce_what_the_specification_says() {
    use Action::{Enforce, Log, Skip};
    let checks = [Check::Integrity, Check::Authenticity, Check::AuthenticTimestamp, Check::Expiry, Check::Revocation];
    let actions = |name: &str, overridden: &[(&str, &str)]| {
        let overridden: BTreeMap<_, _> = overridden.iter().map(|(check, action)| ((*check).to_owned(), (*action).to_owned())).collect();
        let level = Level::parse(name, &overridden).unwrap();
        checks.map(|check| level.action(check))
    };
    assert_eq!(actions("strict", &[]), [Enforce; 5]);
    assert_eq!(actions("permissive", &[]), [Enforce, Enforce, Log, Log, Log]);
    assert_eq!(actions("audit", &[]), [Enforce, Log, Log, Log, Log]);
    assert_eq!(actions("permissive", &[("expiry", "enforce"), ("revocation", "skip")]), [Enforce, Enforce, Log, Enforce, Skip]);
    assert_eq!(Level::parse("skip", &BTreeMap::new()), Ok(Level::Skip));
}

#[test]
fn foreign_text_moves_no_cursor_and_has_an_end() {
    assert_eq!(shown("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
    assert_eq!(shown(&"x".repeat(300)).len(), 203);
}
