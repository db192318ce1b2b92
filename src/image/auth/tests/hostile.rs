//! Files from a hostile hand.

use proptest::prelude::*;

use crate::image::auth::{Document, Login, Secret};

fn use_all(document: &mut Document) {
    for (registry, repository) in [("r", "a/b"), ("docker.io", ""), ("", ""), ("r:1", "///")] {
        let _ = (document.find(registry, repository), document.own_helper(registry, repository), document.mentions(registry, repository));
    }
    document.put("r", "u", &Secret::new("p"));
    document.refer("r:1");
    assert_eq!(document.find("r", "").unwrap().map(|login: Login| login.user), Some("u".to_owned()));
    let again = Document::parse(&document.to_bytes()).unwrap();
    assert_eq!(again, *document, "what is written is read back");
    document.remove("r");
    assert!(!document.mentions("r", ""));
}

/// JSON of the format's words in any arrangement.
fn value() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "auths",
        "auth",
        "credHelpers",
        "credsStore",
        "r",
        "https://r/v1/",
        "r/a",
        "docker.io",
        "YTpi",
        "",
        "username",
        "password",
        "identitytoken",
        "\u{e9}",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(|word| format!("{word:?}")),
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just("-5".to_owned())
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        let members = prop::collection::vec((word.clone(), inner.clone()), 0..6);
        prop_oneof![
            members
                .prop_map(|all| format!("{{{}}}", all.iter().map(|(key, value)| format!("{key:?}:{value}")).collect::<Vec<_>>().join(","))),
            prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
        ]
    })
}

proptest! {
    /// Any bytes end in an answer.
    #[test]
    fn bytes(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(mut document) = Document::parse(&bytes) {
            use_all(&mut document);
        }
    }

    /// So does any JSON, and what is put into it can be had again.
    #[test]
    fn json(text in value()) {
        if let Ok(mut document) = Document::parse(text.as_bytes()) {
            use_all(&mut document);
        }
    }
}

/// Nesting has a limit, and many entries take no time.
#[test]
fn depth_and_count() {
    assert!(Document::parse("[".repeat(500_000).as_bytes()).is_err());
    assert!(Document::parse(format!("{{\"auths\":{}", "{\"a\":".repeat(200_000)).as_bytes()).is_err());
    let entries: Vec<String> = (0..40_000).map(|n| format!("\"r{n}\":{{}}")).collect();
    let mut document = Document::parse(format!("{{\"auths\":{{{}}}}}", entries.join(",")).as_bytes()).unwrap();
    let begun = std::time::Instant::now();
    use_all(&mut document);
    assert!(document.find("none", &"a/".repeat(120)).unwrap().is_none());
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}
