//! Challenges as registries write them.

use proptest::prelude::*;

use super::{Credentials, How, challenges, check};

/// The forms that RFC 9110 allows, and those that are not meant.
#[test]
fn forms() {
    let found = challenges(r#"Bearer realm="https://auth.example/token?x=1,2",service="r \"1\"" , scope="a:b:c,d", Basic realm=plain"#);
    assert_eq!(found.iter().map(|one| one.scheme.as_str()).collect::<Vec<_>>(), ["bearer", "basic"]);
    assert_eq!(found[0].parameter("realm"), Some("https://auth.example/token?x=1,2"));
    assert_eq!(found[0].parameter("service"), Some("r \"1\""));
    assert_eq!((found[0].parameter("error"), found[1].parameter("realm")), (None, Some("plain")));
    let found = challenges("Negotiate, BASIC REALM = \"a\"");
    assert_eq!((found.len(), found[1].parameter("realm")), (2, Some("a")));
    assert_eq!(challenges("Negotiate abc==, Basic realm=\"unended").last().unwrap().parameter("realm"), Some("unended"));
    assert!(challenges("").is_empty() && challenges(",,==\"\"").is_empty());
}

/// Nothing is connected to under a name that is no host.
#[tokio::test]
async fn no_host() {
    let error = check("a b", &Credentials::Anonymous, How { plain: true, ..How::default() }).await.unwrap_err();
    assert!(error.to_string().contains("there is no registry at a b"), "{error}");
}

proptest! {
    /// Any header ends in a few challenges.
    #[test]
    fn hostile(header in r#"[a-zA-Z =",\\é~:]{0,200}"#) {
        prop_assert!(challenges(&header.repeat(100)).len() <= 32);
    }
}
