//! Any bytes as a signature envelope (JWS, COSE, a certificate in one), as a trusted certificate and as a trust policy: each
//! ends in an answer. The first byte says which.
#![no_main]

use std::sync::LazyLock;

use gadgetry::image::trust::Subject;
use gadgetry::image::trust::notation::{Signature, Trust};

const ROOT: &str = include_str!("../notation.root.pem");
const POLICY: &str = r#"{"version":"1.0","trustPolicies":[{"name":"all","registryScopes":["*"],"signatureVerification":{"level":"audit"},"trustStores":["ca:a","signingAuthority:a"],"trustedIdentities":["x509.subject: C=US, ST=WA, O=a"]}]}"#;

static TRUST: LazyLock<Trust> = LazyLock::new(|| Trust::new(&[ROOT.to_owned()], POLICY).expect("both are good"));
static SUBJECT: LazyLock<Subject> = LazyLock::new(|| Subject {
    reference: "localhost:5000/gadgets/a:1".to_owned(),
    repository: "localhost:5000/gadgets/a".to_owned(),
    digest: format!("sha256:{}", "1f".repeat(32)),
    size: 1234,
    media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let envelope = |media_type, envelope, thumbprints| {
        let _ = TRUST.verify_at(&SUBJECT, &Signature { media_type, envelope, thumbprints }, 1_700_000_000);
    };
    match kind {
        b'j' => envelope("application/jose+json", rest, None),
        b'c' => envelope("application/cose", rest, Some(r#"["00"]"#)),
        b'x' => envelope("application/jose+json", &in_chain(rest), None),
        b'p' => drop(Trust::new(&[ROOT.to_owned()], &text)),
        _ => drop(Trust::new(&[text.into_owned()], POLICY)),
    }
});

/// A JWS whose chain is these bytes alone, so that certificates are reached without base64 in the way.
fn in_chain(der: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut chain = String::new();
    for three in der.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            chain.push(if at > three.len() { '=' } else { char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]) });
        }
    }
    let headers = concat!(
        "eyJhbGciOiJFUzI1NiIsImN0eSI6ImFwcGxpY2F0aW9uL3ZuZC5jbmNmLm5vdGFyeS5wYXlsb2FkLnYxK2pzb24iLCJjcml0IjpbImlvLmNuY2Yubm90YXJ5LnNpZ25p",
        "bmdTY2hlbWUiXSwiaW8uY25jZi5ub3Rhcnkuc2lnbmluZ1NjaGVtZSI6Im5vdGFyeS54NTA5IiwiaW8uY25jZi5ub3Rhcnkuc2lnbmluZ1RpbWUiOiIyMDIyLTA0LTA2",
        "VDA3OjAxOjIwWiJ9"
    );
    format!(r#"{{"payload":"e30","protected":"{headers}","header":{{"x5c":["{chain}"]}},"signature":"AAAA"}}"#).into_bytes()
}
