//! Docker's format.

use super::basic;
use crate::image::auth::{Credentials, Document, Fault, Secret};

fn found(text: &str, registry: &str, repository: &str) -> Option<Credentials> {
    Document::parse(text.as_bytes()).unwrap().find(registry, repository).unwrap().map(|login| login.credentials)
}

fn fault(text: &str) -> String {
    let fault = Document::parse(text.as_bytes()).and_then(|document| document.find("r", "").map(|_| ()));
    fault.unwrap_err().to_string()
}

/// Each form of an entry gives what it says.
#[test]
fn forms_of_entries() {
    let one = |entry: &str| found(&format!(r#"{{"auths":{{"r":{entry}}}}}"#), "r", "a/b");
    assert_eq!(one(r#"{"auth":"YWxpY2U6czNjcmV0"}"#), Some(basic("alice", "s3cret")));
    // A password may have colons; old files are padded with zeros, and some leave out the padding of Base64.
    assert_eq!(one(r#"{"auth":"YTpiOmM="}"#), Some(basic("a", "b:c")));
    assert_eq!(one(r#"{"auth":"YTpiOmM"}"#), Some(basic("a", "b:c")));
    assert_eq!(one(r#"{"auth":"YTpiAAA="}"#), Some(basic("a", "b")));
    assert_eq!(one(r#"{"username":"u","password":"p"}"#), Some(basic("u", "p")));
    assert_eq!(one(r#"{"username":"u","password":"p","auth":"YTpiOmM="}"#), Some(basic("a", "b:c")));
    assert_eq!(one(r#"{"auth":"YTpi","identitytoken":"t"}"#), Some(Credentials::Identity(Secret::new("t"))));
    assert_eq!(one(r#"{"auth":"YTpi","identitytoken":"t","registrytoken":"x"}"#), Some(Credentials::Bearer(Secret::new("x"))));
    for nothing in ["{}", r#"{"auth":""}"#, r#"{"auth":null}"#, r#"{"username":"u"}"#, r#"{"password":"p"}"#, r#"{"email":"e"}"#] {
        assert_eq!(one(nothing), None, "{nothing}");
    }
}

/// The most specific key counts, however it is written; Docker Hub has several names.
#[test]
fn keys_of_entries() {
    let file = r#"{"auths":{
        "r.example:5000": {"username":"host","password":"p"},
        "r.example:5000/team": {"username":"team","password":"p"},
        "r.example:5000/team/app": {"username":"app","password":"p"},
        "https://url.example/v2/": {"username":"url","password":"p"},
        "old.example/v1/": {"username":"old","password":"p"},
        "https://index.docker.io/v1/": {"username":"hub","password":"p"}}}"#;
    let user = |registry: &str, repository: &str| match found(file, registry, repository) {
        Some(Credentials::Basic { user, .. }) => user,
        other => format!("{other:?}"),
    };
    assert_eq!(user("r.example:5000", "team/app"), "app");
    assert_eq!(user("r.example:5000", "team/app/part"), "app");
    assert_eq!(user("r.example:5000", "team/other"), "team");
    assert_eq!(user("r.example:5000", "teamwork/app"), "host");
    assert_eq!(user("R.example:5000", ""), "host");
    assert_eq!(user("r.example", "team/app"), "None");
    assert_eq!(user("r.example:5001", "team/app"), "None");
    assert_eq!(user("example:5000", ""), "None");
    assert_eq!(user("url.example", "a/b"), "url");
    assert_eq!(user("old.example", "a/b"), "old");
    for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        assert_eq!(user(name, "library/busybox"), "hub");
    }
}

/// Of two keys that mean the same, the one written as it is asked for counts.
#[test]
fn exact_keys_first() {
    let file = r#"{"auths":{"https://r/":{"username":"url","password":"p"},"r":{"username":"plain","password":"p"}}}"#;
    assert_eq!(found(file, "r", ""), Some(basic("plain", "p")));
}

/// What is wrong is said with its place, and without any value.
#[test]
fn faults() {
    assert_eq!(fault("[]"), "the document is not a JSON object");
    assert_eq!(fault(r#"{"auths":[]}"#), "auths is not a JSON object");
    assert_eq!(fault(r#"{"auths":{"r":"s3cret"}}"#), r#"auths["r"] is not a JSON object"#);
    assert_eq!(fault(r#"{"auths":{"r":{"password":5}}}"#), r#"auths["r"].password is not a string"#);
    assert_eq!(fault(r#"{"auths":{"r":{"auth":"s3cret!"}}}"#), r#"auths["r"].auth is not the Base64 form of USER:PASSWORD"#);
    assert_eq!(fault(r#"{"auths":{"r":{"auth":"czNjcmV0"}}}"#), r#"auths["r"].auth is not the Base64 form of USER:PASSWORD"#);
    assert_eq!(fault(r#"{"credHelpers":{"r":1}}"#), r#"credHelpers["r"] is not a string"#);
    assert_eq!(fault(r#"{"credsStore":{}}"#), "credsStore is not a string");
    assert!(matches!(Document::parse(br#"{"auths":{"r":{"auth":"s3cret"#), Err(Fault::Json(_))));
    // Another registry's entry is nobody's business.
    assert_eq!(found(r#"{"auths":{"r":{"auth":"!"}}}"#, "other", ""), None);
    assert_eq!(found(" \n", "r", ""), None);
}

/// What is written keeps all that is not known, its order, and the key of the registry that was there.
#[test]
fn rewriting_keeps_the_rest() {
    let file = r#"{"HttpHeaders":{"z":"1"},"auths":{"z.example":{"auth":"YTpi"},"https://r.example/v1/":{"email":"e","auth":"YTpi","identitytoken":"t"},"r.example":{"auth":"YTpi"},"a.example":{}},"psFormat":"x","big":12345678901234567890}"#;
    let mut document = Document::parse(file.as_bytes()).unwrap();
    document.put("r.example", "u", &Secret::new("p"));
    let text = String::from_utf8(document.to_bytes()).unwrap();
    let wanted = r#"{"HttpHeaders":{"z":"1"},"auths":{"z.example":{"auth":"YTpi"},"https://r.example/v1/":{"email":"e","auth":"dTpw"},"a.example":{}},"psFormat":"x","big":12345678901234567890}"#;
    assert_eq!(text.split_whitespace().collect::<String>(), wanted);
    assert!(document.remove("R.example") && !document.remove("r.example"));
    assert_eq!(document.keys(), ["z.example", "a.example"]);
    assert_eq!((document.clear(), document.clear()), (2, 0));
}

/// New entries have the keys that other tools look for.
#[test]
fn new_keys() {
    let mut document = Document::default();
    document.put("docker.io", "u", &Secret::new("p"));
    document.put("Ghcr.io", "u", &Secret::new("p"));
    document.refer("kept.example:1");
    assert_eq!(document.keys(), ["https://index.docker.io/v1/", "ghcr.io", "kept.example:1"]);
    assert_eq!(document.find("kept.example:1", "").unwrap(), None);
    assert!(document.mentions("kept.example:1", "") && !document.mentions("kept.example", ""));
    // What stood in the place of the members is replaced.
    let mut document = Document::parse(br#"{"auths":null}"#).unwrap();
    document.put("r", "u", &Secret::new("p"));
    assert_eq!(document.find("r", "").unwrap().unwrap().credentials, basic("u", "p"));
}

/// The helper of a registry alone goes by the same keys.
#[test]
fn helpers_by_key() {
    let file = r#"{"credsStore":"all","credHelpers":{"r":"one","https://index.docker.io/v1/":"hub","e":""}}"#;
    let document = Document::parse(file.as_bytes()).unwrap();
    assert_eq!((document.own_helper("r", "a/b"), document.own_helper("docker.io", "a")), (Some("one"), Some("hub")));
    assert_eq!((document.own_helper("e", ""), document.own_helper("x", ""), document.common_helper()), (None, None, Some("all")));
}

/// Nothing secret is in the `Debug` of anything.
#[test]
fn debug_is_silent() {
    let document = Document::parse(br#"{"auths":{"r":{"auth":"YWxpY2U6czNjcmV0"}}}"#).unwrap();
    let login = document.find("r", "").unwrap().unwrap();
    let text = format!("{document:?} {login:?} {:?}", Secret::new("s3cret"));
    assert!(!text.contains("s3cret") && !text.contains("YWxpY2U6") && text.contains("alice"), "{text}");
}
