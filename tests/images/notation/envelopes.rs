//! Envelopes: good ones pass, and each way to spoil one is refused with its reason, as JWS and as COSE.

use serde_json::json;

use super::bench::{Bench, COSE, JWS, now};
use super::keys::{elliptic, rsa, signer};

#[test]
fn a_good_signature_passes_with_each_algorithm() {
    Bench::good().passes();
    Bench::with(signer(), rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(), "ES384").passes();
    for (bits, algorithm) in [(2048, "PS256"), (3072, "PS384"), (4096, "PS512")] {
        Bench::with(signer(), rsa(bits), algorithm).passes();
    }
}

#[test]
fn a_signature_of_something_else_is_refused() {
    let spoiled = |field: &str, value: serde_json::Value, reason: &str| {
        let mut bench = Bench::good();
        bench.payload["targetArtifact"][field] = value;
        bench.fails(reason);
    };
    spoiled("digest", json!(format!("sha256:{}", "2e".repeat(32))), "integrity: it is of \"sha256:2e");
    spoiled("size", json!(1235), "integrity: it is of 1235 bytes, the image's index has 1234");
    spoiled("mediaType", json!("application/vnd.oci.image.manifest.v1+json"), "integrity: it is of the media type");
    spoiled("digest", json!(null), "integrity: its payload is malformed");
}

#[test]
fn what_was_altered_after_signing_is_refused() {
    for part in ["payload", "signature"] {
        let mut bench = Bench::good();
        bench.tampered = Some(part);
        bench.fails("did not make it, or what it signs was altered");
    }
    let mut bench = Bench::good();
    bench.header("unused", json!("text 7"));
    bench.passes();
    bench.tampered = Some("protected");
    bench.fails("did not make it, or what it signs was altered");
}

#[test]
fn an_algorithm_other_than_the_keys_is_refused() {
    let mut bench = Bench::with(signer(), rsa(2048), "PS256");
    bench.headers["alg"] = json!("PS384");
    bench.fails("integrity: it is made with PS384, but the key of");
    bench.headers["alg"] = json!("PS256");
    bench.passes();
    let mut bench = Bench::good();
    for name in ["HS256", "RS256"] {
        bench.headers["alg"] = json!(name);
        bench.fails("is not one of the specification's");
    }
    bench.headers["alg"] = json!("ES512");
    bench.fails("P-521 (ES512) cannot be verified here");
    bench.headers["alg"] = json!("none");
    assert!(bench.verdict(JWS).expect_err("nobody has signed").contains("the algorithm \"none\" is not one of"));
}

#[test]
fn critical_headers_are_those_of_the_specification() {
    let mut bench = Bench::good();
    bench.header("unknown", json!("x"));
    bench.passes();
    bench.critical("unknown");
    bench.fails("integrity: the header \"io.cncf.notary.unknown\" is marked critical, but unknown, absent or named twice");
    let mut bench = Bench::good();
    bench.critical("expiry");
    bench.fails("the header \"io.cncf.notary.expiry\" is marked critical, but unknown, absent or named twice");
    let mut bench = Bench::good();
    bench.header("expiry", json!(now() + 3600));
    bench.fails("integrity: io.cncf.notary.expiry must be marked critical");
    bench.critical("expiry");
    bench.passes();
    bench.critical("expiry");
    bench.fails("named twice");
}

#[test]
fn headers_have_to_fit_the_scheme() {
    let mut bench = Bench::good();
    bench.header("signingScheme", json!("notary.x510"));
    bench.fails("its signing scheme \"notary.x510\" is unknown");
    let mut bench = Bench::good();
    bench.header("authenticSigningTime", json!(now()));
    bench.fails("it has io.cncf.notary.authenticSigningTime, which its scheme notary.x509 excludes");
    let mut bench = Bench::good();
    bench.headers.remove("io.cncf.notary.signingTime");
    bench.fails("it has no io.cncf.notary.signingTime");
    let mut bench = Bench::good();
    bench.headers["cty"] = json!("application/json");
    bench.fails("its content type is \"application/json\"");
    let mut bench = Bench::good();
    bench.header("verificationPlugin", json!("com.example"));
    bench.critical("verificationPlugin");
    bench.fails("it asks for a verification plugin");
    let mut bench = Bench::good();
    bench.header("signingTime", json!("yesterday"));
    bench.fails("malformed");
}

#[test]
fn an_expired_signature_is_refused_unless_the_policy_only_logs_that() {
    let mut bench = Bench::good();
    bench.critical("expiry");
    bench.header("expiry", json!(now() - 10));
    bench.fails("expiry: it has expired on");
    bench.statement()["signatureVerification"] = json!({"level": "strict", "override": {"expiry": "log"}});
    bench.passes();
    assert!(bench.verdict(JWS).unwrap().ends_with("(failed, but not enforced: expiry)"));
    bench.header("expiry", json!(now() - 120));
    bench.fails("integrity: it expires");
}

#[test]
fn the_manifests_thumbprints_are_those_of_the_certificates() {
    let mut bench = Bench::good();
    bench.chain.swap(1, 2);
    bench.thumbprints();
    bench.chain.swap(1, 2);
    bench.fails("integrity: the thumbprints in its manifest are not those of its certificates");
    bench.annotations.clear();
    bench.passes();
}

#[test]
fn a_manifest_with_two_layers_or_an_unknown_type_is_refused() {
    let bench = Bench::good();
    let refused = bench.verdict_on("application/pkcs7", bench.jws()).expect_err("the type is unknown");
    assert!(refused.contains("unknown type \"application/pkcs7\""), "{refused}");
    let trust = gadgetry::image::trust::notation::Trust::new(&bench.trusted, &bench.policy.to_string()).unwrap();
    let mut artifact = super::bench::artifact(JWS, bench.jws(), &bench.annotations);
    artifact.layers.push(Vec::new());
    let refused = super::bench::verify(trust, &bench.subject, vec![artifact]).expect_err("two layers");
    assert!(refused.contains("it has 2 layers, not one"), "{refused}");
}

#[test]
fn what_is_no_envelope_is_refused() {
    let bench = Bench::good();
    let refused = |format, bytes: &[u8], reason: &str| {
        let refused = bench.verdict_on(format, bytes.to_vec()).expect_err(reason);
        assert!(refused.contains(reason), "{refused}");
    };
    refused(JWS, b"", "no JWS");
    refused(JWS, b"{\"payloads\": 1}", "no JWS");
    refused(JWS, &bench.cose(), "no JWS");
    refused(COSE, b"", "no CBOR");
    refused(COSE, &bench.jws(), "no CBOR");
    refused(COSE, &[bench.cose(), vec![0]].concat(), "something follows its envelope");
    refused(COSE, &bench.cose()[1..], "COSE_Sign1_Tagged");
    refused(COSE, &[0x81; 100_000], "nested too deep");
    refused(COSE, &vec![0; 1024 * 1024 + 1], "more than 1048576 bytes");
}

#[test]
fn countersignatures_are_refused_however_deep_they_nest() {
    use coset::cbor::value::Value;
    let mut header = super::bench::bytes(&Value::Map(Vec::new()));
    for _ in 0..2000 {
        let inner = Value::Array(vec![Value::Bytes(header), Value::Map(Vec::new()), Value::Bytes(Vec::new())]);
        header = super::bench::bytes(&Value::Map(vec![(Value::from(7), inner)]));
    }
    let parts = vec![Value::Bytes(header), Value::Map(Vec::new()), Value::Bytes(Vec::new()), Value::Bytes(Vec::new())];
    let envelope = super::bench::bytes(&Value::Tag(18, Box::new(Value::Array(parts))));
    let refused = Bench::good().verdict_on(COSE, envelope).expect_err("nothing is signed");
    assert!(refused.contains("countersignatures"), "{refused}");
}

#[test]
fn a_key_that_did_not_sign_is_refused() {
    let mut bench = Bench::good();
    bench.signer = bench.intermediate.signer(&signer(), elliptic());
    bench.fails("integrity: the key of");
}

#[test]
fn no_byte_of_an_envelope_can_be_changed_or_left_out() {
    let mut bench = Bench::good();
    bench.annotations.clear();
    for (format, good) in [(JWS, bench.jws()), (COSE, bench.cose())] {
        let trust = gadgetry::image::trust::notation::Trust::new(&bench.trusted, &bench.policy.to_string()).unwrap();
        let passes = |envelope: &[u8]| {
            let signature = gadgetry::image::trust::notation::Signature { media_type: format, envelope, thumbprints: None };
            trust.verify_at(&bench.subject, &signature, now()).is_ok()
        };
        assert!(passes(&good));
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 7);
            assert!(!passes(&changed), "{format}: byte {at} of {}", good.len());
            assert!(!passes(&good[..at]), "{format}: the first {at} bytes of {}", good.len());
        }
    }
}
