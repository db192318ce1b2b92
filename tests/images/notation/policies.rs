//! Trust policies: which one goes for an image, whom it trusts, and what a document may not say.

use gadgetry::image::trust::notation::Trust;
use serde_json::{Value, json};

use super::bench::{Bench, JWS, policy};
use super::keys::{Authority, authority, elliptic, signer};

fn named(name: &str, scopes: &[&str], identity: &str) -> Value {
    json!({"name": name, "registryScopes": scopes, "signatureVerification": {"level": "strict"}, "trustStores": ["ca:acme"], "trustedIdentities": [identity]})
}

const NOBODY: &str = "x509.subject: C=DE, ST=BE, O=nobody";

#[test]
fn the_policy_that_names_the_repository_goes_before_the_one_for_all() {
    let mut bench = Bench::good();
    let policies = |own: &str, all: &str| json!([named("all", &["*"], all), named("own", &["localhost:5000/gadgets/a"], own)]);
    bench.policy["trustPolicies"] = policies("*", NOBODY);
    bench.passes();
    bench.policy["trustPolicies"] = policies(NOBODY, "*");
    bench.fails("is none of the trusted identities of the policy \"own\"");
    bench.policy["trustPolicies"] = json!([named("other", &["localhost:5000/gadgets/b"], "*")]);
    bench.fails("no trust policy is for localhost:5000/gadgets/a");
}

#[test]
fn a_signer_is_trusted_by_the_attributes_of_its_subject() {
    let mut bench = Bench::good();
    for (identity, is_trusted) in [
        ("x509.subject: C=US, ST=WA, O=Acme\\, Inc.", true),
        ("x509.subject: CN=signer,O=Acme\\2c Inc.,C=US,ST=WA", true),
        ("x509.subject: C=US, S=WA, O=Acme\\, Inc.", true),
        ("x509.subject: C=US, ST=WA, O=Acme\\, Inc., CN=another", false),
        ("x509.subject: C=US, ST=WA, O=acme\\, inc.", false),
        ("x509.subject: C=US, ST=WA, O=Acme\\, Inc., OU=x", false),
    ] {
        bench.statement()["trustedIdentities"] = json!([identity]);
        if is_trusted {
            bench.passes()
        } else {
            bench.fails("authenticity: the signer C=US, ST=WA, O=Acme, Inc., CN=signer is none of the trusted identities")
        }
    }
    bench.statement()["trustedIdentities"] = json!([NOBODY, "x509.subject: C=US, ST=WA, O=Acme\\, Inc."]);
    bench.passes();
}

#[test]
fn an_attribute_that_a_subject_has_twice_is_none_to_trust() {
    let mut params = signer();
    let kind = || rcgen::DnType::CustomDnType(vec![2, 5, 4, 6]);
    params.distinguished_name.push(kind(), "DE");
    let mut bench = Bench::with(params, elliptic(), "ES256");
    bench.passes();
    for country in ["US", "DE"] {
        bench.statement()["trustedIdentities"] = json!([format!("x509.subject: C={country}, ST=WA, O=Acme\\, Inc.")]);
        bench.fails("is none of the trusted identities");
    }
}

#[test]
fn levels_decide_which_checks_refuse() {
    let mut bench = Bench::good();
    bench.trusted = vec![Authority::root(authority("other")).pem];
    for level in ["strict", "permissive"] {
        bench.statement()["signatureVerification"] = json!({"level": level});
        bench.fails("authenticity: its chain ends in");
    }
    bench.statement()["signatureVerification"] = json!({"level": "audit"});
    bench.passes();
    assert!(bench.verdict(JWS).unwrap().ends_with("(failed, but not enforced: authenticity)"));
    bench.statement()["signatureVerification"] = json!({"level": "audit", "override": {"authenticity": "enforce"}});
    bench.fails("authenticity: its chain ends in");
    bench.statement()["signatureVerification"] = json!({"level": "audit"});
    bench.tampered = Some("payload");
    bench.fails("integrity: ");
}

#[test]
fn skip_verifies_nothing_and_so_nothing_passes() {
    let mut bench = Bench::good();
    let skip = json!({"name": "none", "registryScopes": ["localhost:5000/gadgets/a"], "signatureVerification": {"level": "skip"}});
    bench.policy["trustPolicies"] = json!([named("all", &["*"], "*"), skip]);
    bench.fails("the trust policy \"none\" for localhost:5000/gadgets/a has the level skip: nothing is verified");
    bench.subject.repository = "localhost:5000/gadgets/b".to_owned();
    bench.passes();
    bench.policy["trustPolicies"] = json!([skip]);
    bench.fails("each policy has the level skip");
}

/// What is said of a document.
fn faults(policy: &Value) -> String {
    let root = Authority::root(authority("root"));
    Trust::new(&[root.pem], &policy.to_string()).map(|_| ()).expect_err("the document is wrong").to_string()
}

#[test]
fn all_that_is_wrong_with_a_document_is_said_at_once() {
    let mut first = named("twice", &["*", "localhost/a"], "*");
    first["signatureVerification"] =
        json!({"level": "strict", "override": {"integrity": "log", "expiry": "skip", "revocation": "maybe"}, "verifyTimestamp": "never"});
    first["trustStores"] = json!(["ca", "tpm:x"]);
    first["trustedIdentity"] = json!([]);
    let mut second = named("twice", &["localhost/a", "docker", "ghcr.io/a/b:1", "ghcr.io/a/*"], "x509.subject: C=US, ST=WA");
    second["signatureVerification"]["level"] = json!("lax");
    second["trustedIdentities"] =
        json!(["x509.subject: C=US, ST=WA, O=a", "x509.subject: C=US, ST=WA, O=a, CN=b", "x509.subject: C=US", "did:web:a"]);
    let third = json!({"name": "", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}, "trustStores": ["ca:a"]});
    let said = faults(&json!({"version": "2.0", "trustPolicies": [first, second, third], "extra": 1}));
    insta::assert_snapshot!(said.replace("; ", "\n"), @r#"
    the trust policy of notation cannot be used: version is "2.0", only "1.0" is known
    the field "extra" is unknown
    policy "twice": the field "trustedIdentity" is unknown
    policy "twice": verifyTimestamp is "never", which is none of always, afterCertExpiry
    policy "twice": the scope * is not together with others
    policy "twice": the override of expiry may be enforce or log, not skip
    policy "twice": the override "integrity" cannot be overridden
    policy "twice": the override of revocation is "maybe", which is none of enforce, log, skip
    policy "twice": the trust store "ca" is none of ca:NAME, signingAuthority:NAME, tsa:NAME
    policy "twice": the trust store "tpm:x" is none of ca:NAME, signingAuthority:NAME, tsa:NAME
    policy "twice": the scope "docker" is neither * nor registry/repository, without tag, digest and further *
    policy "twice": the scope "ghcr.io/a/b:1" is neither * nor registry/repository, without tag, digest and further *
    policy "twice": the scope "ghcr.io/a/*" is neither * nor registry/repository, without tag, digest and further *
    policy "twice": the level "lax" is none of strict, permissive, audit, skip
    policy "twice": the identities "x509.subject: C=US, ST=WA, O=a" and "x509.subject: C=US, ST=WA, O=a, CN=b" overlap
    policy "twice": the identity "x509.subject: C=US": ST, O must be named, too
    policy "twice": the identity "did:web:a": it is neither * nor x509.subject: and a distinguished name
    policy 3: name is missing
    policy 3: a policy with the level skip has no trustStores and no trustedIdentities
    policy 3: the level skip is not for the scope *
    the name "twice" is there twice
    the scope "localhost/a" is there twice
    the scope "*" is there twice
    "#);
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let root = Authority::root(authority("root"));
    let leaf = root.signer(&signer(), elliptic());
    let key = leaf.key_pem();
    let texts = [root.pem.clone(), "nothing".to_owned(), leaf.pem.clone(), key.clone(), root.pem.replace("MII", "AAA")];
    let said = Trust::new(&texts, &policy().to_string()).map(|_| ()).expect_err("four are wrong").to_string();
    for part in [
        "certificate 2: there is no PEM certificate in it",
        "certificate 3: C=US, ST=WA, O=Acme, Inc., CN=signer is neither an authority nor signed by itself",
        "certificate 4: it holds a PRIVATE KEY, not only certificates",
        "certificate 5: ",
    ] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
    assert!(!said.contains(key.lines().nth(1).unwrap()), "the key is shown");
    assert!(Trust::new(&[], &policy().to_string()).map(|_| ()).expect_err("none").to_string().contains("there is no certificate"));
}

#[test]
fn the_fingerprint_follows_certificates_and_policy_and_not_how_they_are_written() {
    let (one, other) = (Authority::root(authority("one")), Authority::root(authority("other")));
    let print = |certificates: &[&str], policy: &str| {
        Trust::new(&certificates.iter().map(|pem| (*pem).to_owned()).collect::<Vec<_>>(), policy).unwrap().fingerprint
    };
    let text = policy().to_string();
    let base = print(&[&one.pem, &other.pem], &text);
    assert_eq!(base, print(&[&format!("{}{}", other.pem, one.pem)], &serde_json::to_string_pretty(&policy()).unwrap()));
    assert_eq!(
        base,
        print(
            &[&one.pem, &other.pem, &one.pem],
            &text.replacen("{\"version\":\"1.0\",", "{", 1).replacen("}]}", "}],\"version\":\"1.0\"}", 1)
        )
    );
    assert_ne!(base, print(&[&one.pem], &text));
    assert_ne!(base, print(&[&one.pem, &other.pem], &text.replace("strict", "permissive")));
}
