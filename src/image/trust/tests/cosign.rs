//! Signatures by cosign, good ones and forged ones.

use serde_json::json;

use super::{Shelf, key, payload, statement};

/// A good signature under cosign's tag is verified, whichever of the keys it was, and beside bad ones.
#[test]
fn a_good_signature_is_found_among_bad_ones() {
    let (shelf, good, other) = (Shelf::new(), key(), key());
    let text = payload(&shelf.digest());
    let bad = shelf.signed(&text, &other.sign(text.as_bytes()).unwrap());
    shelf.tag(&[shelf.layer("text/plain", b"x"), bad, shelf.signed(&text, &good.sign(text.as_bytes()).unwrap())]);
    let by = format!("cosign key {}", good.public().fingerprint());
    assert_eq!(shelf.verify(&[&key(), &good]), Ok(by.clone()));
    assert_eq!(shelf.verify(&[&good]), Ok(by));
}

/// Each forged signature is refused, for the reason that is wrong with it.
#[test]
fn forged_signatures_are_refused() {
    let (good, other) = (key(), key());
    let zeros = format!("sha256:{}", "0".repeat(64));
    type Forge<'f> = &'f dyn Fn(&Shelf) -> (String, Vec<u8>);
    let signed = |text: String| {
        let signature = good.sign(text.as_bytes()).unwrap();
        (text, signature)
    };
    let not_made = "has not signed it as it is";
    let cases: &[(&str, Forge<'_>, &str)] = &[
        ("another digest", &|_| signed(payload(&zeros)), "has signed \"sha256:000"),
        ("another key", &|s| (payload(&s.digest()), other.sign(payload(&s.digest()).as_bytes()).unwrap()), not_made),
        ("altered payload", &|s| (payload(&s.digest()), good.sign(payload(&zeros).as_bytes()).unwrap()), not_made),
        ("no signature", &|s| (payload(&s.digest()), Vec::new()), not_made),
        ("endless signature", &|s| (payload(&s.digest()), vec![0; 4096]), "more than 4096 characters"),
        (
            "two digests",
            &|s| {
                signed(payload(&zeros).replace(
                    "\"docker-manifest-digest\"",
                    &format!("\"docker-manifest-digest\":{:?},\"docker-manifest-digest\"", s.digest()),
                ))
            },
            "the key \"docker-manifest-digest\" occurs twice",
        ),
        ("wrong type", &|s| signed(payload(&s.digest()).replace("cosign container", "atomic container")), "critical.type is"),
        (
            "no digest",
            &|s| signed(payload(&s.digest()).replace("docker-manifest-digest", "digest")),
            "it has no text critical.image.docker",
        ),
        ("no JSON", &|_| signed("hello".to_owned()), "malformed JSON"),
        ("deep", &|_| signed("[".repeat(100_000)), "malformed JSON: recursion limit"),
        ("two documents", &|s| signed(payload(&s.digest()).repeat(2)), "trailing characters"),
        (
            "the digest elsewhere",
            &|s| signed(payload(&zeros).replace("null", &format!("{{\"docker-manifest-digest\":{:?}}}", s.digest()))),
            "which is not this",
        ),
    ];
    for (what, forge, reason) in cases {
        let shelf = Shelf::new();
        let (text, signature) = forge(&shelf);
        shelf.tag(&[shelf.signed(&text, &signature)]);
        let error = shelf.verify(&[&good]).unwrap_err();
        assert!(
            error.contains(reason) && error.contains("layer 1: ") && error.contains("cosign signature (tag) sha256:"),
            "{what}: {error}"
        );
    }
}

/// Signatures that were swapped between layers, and a layer without one, are none.
#[test]
fn signatures_belong_to_their_layer() {
    let (shelf, good) = (Shelf::new(), key());
    let (a, b) = (payload(&shelf.digest()), payload(&shelf.digest()).replace("null", "{}"));
    let [of_a, of_b] = [&a, &b].map(|text| good.sign(text.as_bytes()).unwrap());
    shelf.tag(&[shelf.signed(&a, &of_b), shelf.signed(&b, &of_a), shelf.layer(super::SIMPLE, a.as_bytes())]);
    let error = shelf.verify(&[&good, &key()]).unwrap_err();
    assert_eq!(error.matches("none of the 2 keys").count(), 2, "{error}");
    assert!(error.contains("layer 3: it has no annotation dev.cosignproject.cosign/signature"), "{error}");
}

/// Good bundles are verified, also with several subjects.
#[test]
fn bundles() {
    let (shelf, good) = (Shelf::new(), key());
    let several = statement(&shelf.hex()).replace("[{", &format!("[{{\"digest\":{{\"sha256\":\"{}\"}}}},{{", "0".repeat(64)));
    for text in [statement(&shelf.hex()), several] {
        let shelf = Shelf::new();
        shelf.put_bundle(&shelf.bundle(&text, &good).to_string());
        assert!(shelf.verify(&[&good]).is_ok_and(|by| by.starts_with("cosign key ")));
        let error = shelf.verify(&[&key()]).unwrap_err();
        assert!(error.contains("sigstore bundle sha256:") && error.contains("has not signed it as it is"), "{error}");
    }
}

/// Each forged bundle is refused, for the reason that is wrong with it.
#[test]
fn forged_bundles_are_refused() {
    let good = key();
    let shelf = Shelf::new();
    let fine = shelf.bundle(&statement(&shelf.hex()), &good);
    let with = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut bundle = fine.clone();
        edit(&mut bundle);
        bundle.to_string()
    };
    let other = shelf.bundle(&statement(&"0".repeat(64)), &good);
    let signature = &fine["dsseEnvelope"]["signatures"][0];
    let untyped = shelf.bundle(&statement(&shelf.hex()).replace("in-toto.io", "example.com"), &good);
    let crowd = format!("[{}{{", r#"{"a":1},"#.repeat(1024));
    let crowded = shelf.bundle(&statement(&shelf.hex()).replace("[{", &crowd), &good);
    let bare = shelf.bundle(&statement("").replace(r#"{"digest":{"sha256":""}}"#, ""), &good);
    let of_kind = |kind: &str| shelf.bundle(&statement(&shelf.hex()).replace(super::SIGNATURE, kind), &good);
    let unsaid = shelf.bundle(&statement(&shelf.hex()).replace("predicateType", "type"), &good);
    let cursor = shelf.bundle(&statement("\u{1b}[2J"), &good);
    for (bundle, reason) in [
        (other.to_string(), "has signed \"sha256:0000"),
        (with(&|b| b["dsseEnvelope"]["payload"] = other["dsseEnvelope"]["payload"].clone()), "has not signed it as it is"),
        (with(&|b| b["dsseEnvelope"]["payloadType"] = json!("text/plain")), "its payloadType is \"text/plain\""),
        (with(&|b| b["dsseEnvelope"]["signatures"] = json!([])), "0 signatures instead of one"),
        (with(&|b| b["dsseEnvelope"]["signatures"] = json!([signature, signature])), "2 signatures instead of one"),
        (with(&|b| b["dsseEnvelope"]["signatures"][0]["sig"] = json!("%")), "its signature is not base64"),
        (with(&|b| b["messageSignature"] = json!({})), "it signs a file"),
        (
            json!({"messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": ""}, "signature": ""}}).to_string(),
            "it signs a file",
        ),
        (json!({}).to_string(), "it has no dsseEnvelope"),
        (fine.to_string().replacen("{", "{\"dsseEnvelope\":{},", 1), "occurs twice"),
        (untyped.to_string(), "not that of an in-toto statement"),
        (crowded.to_string(), "1025 subjects"),
        (bare.to_string(), "has signed no image"),
        (
            of_kind("https://spdx.dev/Document").to_string(),
            "layer 1: it is an attestation of the type \"https://spdx.dev/Document\", not a signature (\"https://sigstore.dev/cosign/sign/v1\")",
        ),
        (of_kind("https://cosign.sigstore.dev/attestation/v1").to_string(), "it is an attestation of the type"),
        (of_kind("https://sigstore.dev/cosign/sign/v1/x").to_string(), "it is an attestation of the type"),
        (of_kind("").to_string(), "it is an attestation of the type \"\""),
        (of_kind("\\u001b[2J").to_string(), "it is an attestation of the type \"\\u{1b}[2J\""),
        (unsaid.to_string(), "it has no text predicateType"),
        (cursor.to_string(), "has signed \"sha256:\\u{1b}[2J\", which is not this image"),
    ] {
        let layer = shelf.layer(super::BUNDLE, bundle.as_bytes());
        let beside = Shelf::new();
        beside.put_bundle(&bundle);
        let error = beside.verify(&[&good]).unwrap_err();
        assert!(error.contains(reason), "{layer}: {error}");
    }
    shelf.put_bundle(&fine.to_string());
    assert!(shelf.verify(&[&good]).is_ok());
}

/// What cannot be tried is said: no key, no signature, a method without its keys.
#[test]
fn what_is_missing_is_said() {
    let (shelf, good) = (Shelf::new(), key());
    assert_eq!(shelf.verify(&[&good]).unwrap_err(), "registry.test/team/gadget:1 has no signature");
    assert!(shelf.verify(&[]).unwrap_err().contains("there is no public key and no certificate"));
    let kind = "application/vnd.cncf.notary.signature";
    let manifest = shelf.referrer(kind, &[shelf.layer("application/jose+json", b"{}")]);
    super::put(&shelf.store, super::MANIFEST, &manifest, None, Some(&shelf.digest()));
    assert!(shelf.verify(&[&good]).unwrap_err().contains("no certificate is given to verify it with"));
}
