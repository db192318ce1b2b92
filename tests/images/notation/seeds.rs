//! Not committed: writes the seeds.
use super::bench::Bench;
use super::keys::{rsa, signer};
#[test]
fn write_seeds() {
    let to = std::path::Path::new("fuzz/corpus/notation");
    let put = |name: &str, kind: u8, bytes: &[u8]| std::fs::write(to.join(name), [&[kind][..], bytes].concat()).unwrap();
    let mut bench = Bench::good();
    std::fs::write("fuzz/notation.root.pem", &bench.root.pem).unwrap();
    put("jws", b'j', &bench.jws());
    put("cose", b'c', &bench.cose());
    put("certificate", b'x', &bench.signer.der);
    put("authority", b'x', &bench.root.der);
    put("pem", b't', bench.root.pem.as_bytes());
    bench.headers.remove("io.cncf.notary.signingTime");
    bench.header("signingScheme", serde_json::json!("notary.x509.signingAuthority"));
    bench.header("authenticSigningTime", serde_json::json!(1_690_000_000));
    bench.header("expiry", serde_json::json!(1_790_000_000));
    bench.critical("authenticSigningTime");
    bench.critical("expiry");
    put("authority_jws", b'j', &bench.jws());
    put("authority_cose", b'c', &bench.cose());
    let rsa = bench.intermediate.signer(&signer(), rsa(2048));
    bench.headers["alg"] = serde_json::json!("PS256");
    bench.chain[0] = rsa.der.clone();
    bench.signer = rsa;
    put("rsa_cose", b'c', &bench.cose());
    let mut policy = super::bench::policy();
    policy["trustPolicies"][0]["trustedIdentities"] =
        serde_json::json!(["x509.subject: C=US, ST=WA, O=Acme\\, Inc.", "x509.subject: CN=\\20a\\+b,O=x,S=y,C=z"]);
    policy["trustPolicies"][0]["signatureVerification"] =
        serde_json::json!({"level": "strict", "override": {"expiry": "log", "revocation": "skip"}, "verifyTimestamp": "always"});
    put("policy", b'p', policy.to_string().as_bytes());
}
