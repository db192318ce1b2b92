//! Chains of certificates: what a signer and an authority may be, how they hang together, when they are valid, whom they lead to.

use rcgen::{BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use serde_json::json;

use super::bench::{Bench, now};
use super::keys::{Authority, Signer, authority, elliptic, foreign, signer};

/// A good signature by a signer whose certificate is changed.
fn signed_by(change: impl Fn(&mut CertificateParams)) -> Bench {
    let mut params = signer();
    change(&mut params);
    Bench::with(params, elliptic(), "ES256")
}

/// The same with the intermediate authority changed.
fn below(change: impl Fn(&mut CertificateParams)) -> Bench {
    let mut bench = Bench::good();
    let mut params = authority("intermediate");
    change(&mut params);
    let intermediate = bench.root.authority(params);
    let root = std::mem::replace(&mut bench.root, Authority::root(authority("other")));
    bench.chained(intermediate.signer(&signer(), elliptic()), &[&intermediate, &root]);
    bench
}

/// Key usage without the critical mark.
fn lax_usage(params: &mut CertificateParams, bits: u8) {
    params.key_usages.clear();
    params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![3, 2, 0, bits]));
}

/// Valid from so many seconds from now.
fn from(params: &mut CertificateParams, seconds: i64) {
    params.not_before = x509_parser::time::ASN1Time::from_timestamp(now() + seconds).unwrap().to_datetime();
}

/// Valid until so many seconds from now.
fn until(params: &mut CertificateParams, seconds: i64) {
    params.not_after = x509_parser::time::ASN1Time::from_timestamp(now() + seconds).unwrap().to_datetime();
}

#[test]
fn a_signer_may_sign_code_and_nothing_else() {
    signed_by(|params| params.extended_key_usages.clear()).passes();
    signed_by(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])
        .fails("its extended key usage has serverAuth");
    signed_by(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::TimeStamping))
        .fails("its extended key usage has timeStamping");
    signed_by(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![1, 2, 3])])
        .fails("its extended key usage lacks codeSigning");
    signed_by(|params| params.key_usages.clear()).fails("it has no key usage");
    signed_by(|params| params.key_usages = vec![KeyUsagePurpose::ContentCommitment]).fails("its key usage lacks digitalSignature");
    signed_by(|params| params.key_usages.push(KeyUsagePurpose::KeyEncipherment)).fails("its key usage has keyEncipherment");
    signed_by(|params| lax_usage(params, 0x80)).fails("its key usage is not marked critical");
    signed_by(|params| params.is_ca = IsCa::ExplicitNoCa).passes();
    signed_by(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
        .fails("it is an authority's, which may not sign artifacts");
}

#[test]
fn an_authority_says_that_it_is_one() {
    below(|_| {}).passes();
    below(|params| params.is_ca = IsCa::NoCa).fails("its basic constraints do not make it an authority");
    below(|params| params.is_ca = IsCa::ExplicitNoCa).fails("its basic constraints do not make it an authority");
    below(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))).passes();
    below(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]).fails("its key usage lacks keyCertSign");
    below(|params| lax_usage(params, 0x04)).fails("its key usage is not marked critical");
}

#[test]
fn a_path_length_is_kept() {
    for (limit, fits) in [(0, false), (1, true)] {
        let mut params = authority("root");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(limit));
        let root = Authority::root(params);
        let intermediate = root.authority(authority("intermediate"));
        let mut bench = Bench::good();
        bench.trusted = vec![root.pem.clone()];
        bench.chained(intermediate.signer(&signer(), elliptic()), &[&intermediate, &root]);
        if fits { bench.passes() } else { bench.fails("its path length allows 0 authorities below it, the chain has 1") }
    }
}

#[test]
fn the_chain_hangs_together_from_signer_to_root() {
    let mut bench = Bench::good();
    bench.chain.swap(1, 2);
    bench.thumbprints();
    bench.fails("it is not issued by");
    let mut bench = Bench::good();
    bench.chain.pop();
    bench.thumbprints();
    bench.fails("it is the last of its chain, but not signed by itself");
    // Another key under the same name.
    let mut bench = Bench::good();
    let twin = bench.root.authority(authority("intermediate"));
    bench.chain[1] = twin.der;
    bench.thumbprints();
    bench.fails("is not good");
    let mut bench = Bench::good();
    bench.chain.push(bench.root.der.clone());
    bench.thumbprints();
    bench.fails("it is signed by itself, but the intermediate one of a chain");
    let mut bench = Bench::good();
    bench.chain = vec![bench.root.der.clone(); 11];
    bench.fails("11 certificates, 1 to 10 are allowed");
    bench.chain.clear();
    bench.fails("0 certificates, 1 to 10 are allowed");
    bench.chain = vec![vec![0x30; 20_000]];
    bench.fails("certificate 1 of its chain: it has more than 16384 bytes");
    bench.chain = vec![b"nonsense".to_vec()];
    bench.fails("certificate 1 of its chain: it is no X.509 certificate");
}

#[test]
fn a_signer_that_issued_its_own_certificate_is_trusted_by_that_certificate() {
    let mut bench = Bench::good();
    let alone = Signer::alone(&signer());
    let pem = alone.pem.clone();
    bench.chained(alone, &[]);
    bench.fails("authenticity: its chain ends in");
    bench.trusted.push(pem);
    bench.passes();
}

#[test]
fn a_chain_that_leads_to_nobody_trusted_is_refused() {
    let mut bench = Bench::good();
    let other = Authority::root(authority("root"));
    bench.trusted = vec![other.pem.clone()];
    bench.fails("authenticity: its chain ends in C=US, ST=WA, O=Acme, Inc., CN=root, which is not among the trusted certificates");
    bench.trusted = vec![bench.intermediate.pem.clone()];
    bench.passes();
    bench.trusted = vec![other.pem, bench.root.pem.clone()];
    bench.passes();
}

#[test]
fn each_certificate_is_valid_now() {
    signed_by(|params| until(params, -3600)).fails("authenticTimestamp: certificate C=US, ST=WA, O=Acme, Inc., CN=signer has expired on");
    signed_by(|params| from(params, 3600)).fails("authenticTimestamp: certificate C=US, ST=WA, O=Acme, Inc., CN=signer is valid only from");
    below(|params| until(params, -3600)).fails("authenticTimestamp: certificate C=US, ST=WA, O=Acme, Inc., CN=intermediate has expired on");
    let mut bench = signed_by(|params| until(params, -3600));
    bench.statement()["signatureVerification"] = json!({"level": "permissive"});
    bench.passes();
    let mut bench = signed_by(|params| until(params, -3600));
    bench.unprotected.insert("io.cncf.notary.timestampSignature".to_owned(), json!("AAAA"));
    bench.fails("timestamps by authorities are not evaluated here");
}

/// What is kept of a verification ends with the first check of those that the policy enforces.
#[test]
fn a_verification_ends_with_the_signature_or_its_first_certificate() {
    let end = now() + 3600;
    let mut bench = signed_by(|params| until(params, 3600));
    let certificate = bench.until().unwrap();
    assert!((end..=end + 60).contains(&certificate), "{certificate} {end}");
    let intermediate = below(|params| until(params, 1800)).until().unwrap();
    assert!((end - 1800..=end - 1740).contains(&intermediate), "{intermediate} {end}");
    bench.header("expiry", json!(now() + 600));
    bench.critical("expiry");
    let expiry = bench.until().unwrap();
    assert!((end - 3000..=end - 2940).contains(&expiry), "{expiry} {end}");
    for (overridden, expected) in [
        (json!({"expiry": "log"}), Some(certificate)),
        (json!({"authenticTimestamp": "log"}), Some(expiry)),
        (json!({"expiry": "log", "authenticTimestamp": "log"}), None),
    ] {
        bench.statement()["signatureVerification"] = json!({"level": "strict", "override": overridden});
        assert_eq!(bench.until(), expected);
    }
    // What a signing authority vouches for does not age, the signature's own expiry does.
    let mut bench = signed_by(|params| until(params, 3600));
    bench.headers.remove("io.cncf.notary.signingTime");
    bench.header("signingScheme", json!("notary.x509.signingAuthority"));
    bench.header("authenticSigningTime", json!(now() - 60));
    bench.critical("authenticSigningTime");
    bench.statement()["trustStores"] = json!(["signingAuthority:acme"]);
    assert_eq!(bench.until(), None);
    bench.header("expiry", json!(now() + 600));
    bench.critical("expiry");
    assert!(bench.until().is_some());
}

#[test]
fn a_signing_authority_vouches_for_the_time_where_the_policy_trusts_it() {
    let mut bench = signed_by(|params| until(params, -3600));
    bench.headers.remove("io.cncf.notary.signingTime");
    bench.header("signingScheme", json!("notary.x509.signingAuthority"));
    bench.header("authenticSigningTime", json!(now() - 7200));
    bench.fails("io.cncf.notary.authenticSigningTime must be marked critical");
    bench.critical("authenticSigningTime");
    bench.fails("authenticity: the policy \"all\" names no signingAuthority trust store");
    bench.statement()["trustStores"] = json!(["signingAuthority:acme"]);
    bench.passes();
    bench.header("authenticSigningTime", json!(now() - 60));
    bench.fails("CN=signer has expired on");
    let mut bench = Bench::good();
    bench.statement()["trustStores"] = json!(["signingAuthority:acme"]);
    bench.fails("authenticity: the policy \"all\" names no ca trust store");
}

#[test]
fn a_certificate_whose_revocation_could_be_asked_for_needs_a_policy_that_does_not_enforce_that() {
    let list = |params: &mut CertificateParams| {
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec!["http://127.0.0.1/crl".to_owned()] }]
    };
    // Authority information access with OCSP at http://a, and with the issuer's certificate there, which is no revocation.
    let access = |params: &mut CertificateParams, method: u8| {
        let location = [b"\x86\x08http://a".as_slice()].concat();
        let method = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, method];
        let description = [vec![0x30, 20], method.to_vec(), location].concat();
        let content = [vec![0x30, 22], description].concat();
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content));
    };
    signed_by(|params| access(params, 2)).passes();
    signed_by(|params| access(params, 1)).fails("revocation: certificate C=US, ST=WA, O=Acme, Inc., CN=signer names an OCSP responder");
    below(list).fails("CN=intermediate names an OCSP responder or a revocation list, and no network is asked here");
    let mut bench = signed_by(list);
    bench.fails("the policy's override \"revocation\": \"log\" or \"skip\" accepts that");
    for (action, by) in [("log", "CN=signer (failed, but not enforced: revocation)"), ("skip", "CN=signer")] {
        bench.statement()["signatureVerification"] = json!({"level": "strict", "override": {"revocation": action}});
        bench.passes();
        assert!(bench.verdict(super::bench::JWS).unwrap().ends_with(by));
    }
}

#[test]
fn keys_that_the_specification_or_this_program_does_not_know_are_refused() {
    for (key, reason) in [
        (["-newkey", "rsa:2560", "-sha256", "-batch"], "its RSA key has 2560 bits, only 2048, 3072 and 4096 are allowed"),
        (["-newkey", "ed25519", "-days", "3"], "its key is neither RSA nor on an elliptic curve"),
        (["-newkey", "rsa:2048", "-sha1", "-batch"], "it is signed with SHA-1"),
        (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"], "its own signature is not good"),
        (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "the key of CN=foreign did not make it"),
    ] {
        let mut bench = Bench::good();
        bench.chain = vec![foreign(&key)];
        bench.thumbprints();
        bench.fails(reason);
    }
}
