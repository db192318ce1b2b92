//! Keys.

use super::super::Policy;
use super::super::cosign::{EncryptedKey, PublicKey, SigningKey};
use super::{key, policy, secret};

macro_rules! key_file {
    ($name:literal) => {
        include_str!(concat!("../../testdata/keys/", $name))
    };
}

/// Keys that are verified with are taken, others refused with what is wrong with them.
#[test]
fn public_keys() {
    for text in [key_file!("cosign.pub"), key_file!("secp384r1.pub"), key_file!("rsa2048.pub")] {
        let key = PublicKey::parse(text).unwrap();
        assert_eq!(key.to_pem(), text);
        assert!(PublicKey::parse(&format!("a note\n{}", text.replace('\n', "\r\n"))).is_ok_and(|again| again == key));
    }
    let twice = [key_file!("cosign.pub"), key_file!("cosign.pub")].concat();
    let certificate = key_file!("cosign.pub").replace("PUBLIC KEY", "CERTIFICATE");
    let cut = key_file!("cosign.pub").replace("MFkwEwYH", "MFkw");
    let compressed = "-----BEGIN PUBLIC KEY-----\nMDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACCerSen0ul68DYwjpt47aaYpfeCr4MzfJQ08UH2mHPVQ=\n-----END PUBLIC KEY-----\n";
    for (text, reason) in [
        (key_file!("secp521r1.pub"), "P-521 is not supported"),
        (key_file!("secp256k1.pub"), "elliptic curve is not supported"),
        (key_file!("rsa1024.pub"), "RSA keys of 1024 bits"),
        (key_file!("cosign.key"), "it is a \"ENCRYPTED SIGSTORE PRIVATE KEY\", not a \"PUBLIC KEY\""),
        (&certificate, "it is a \"CERTIFICATE\""),
        (&twice, "more than one block"),
        (&cut, "cannot be used"),
        (compressed, "not an uncompressed one"),
        ("", "not PEM"),
        ("-----BEGIN PUBLIC KEY-----\n", "END PUBLIC KEY----- is missing"),
        (&"x".repeat(100_000), "characters"),
    ] {
        let error = PublicKey::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("a public key cannot be used: ") && error.contains(reason), "{error}");
    }
}

/// A key that cosign has made opens with its password and no other, and is the public one's half.
#[test]
fn cosigns_private_key_opens() {
    let text = key_file!("cosign.key");
    assert!(SigningKey::is_encrypted(text) && !SigningKey::is_encrypted(key_file!("cosign.pub")));
    let key = SigningKey::parse(text, &secret("hunter2")).unwrap();
    assert_eq!(key.public().to_pem(), key_file!("cosign.pub"));
    let old = text.replace("SIGSTORE", "COSIGN");
    assert_eq!(SigningKey::parse(&old, &secret("hunter2")).unwrap().public(), key.public());
    let error = SigningKey::parse(text, &secret("hunter3")).unwrap_err().to_string();
    assert_eq!(error, "the private key cannot be used: the password does not open it");
    let shown = format!("{key:?} {:?}", secret("hunter2"));
    assert!(!shown.contains("hunter2") && shown.contains(&key.public().fingerprint()), "{shown}");
}

/// A key that is made here opens again, and what it signs is verified by its public half alone.
#[test]
fn a_new_key_opens_again() {
    let (text, key) = SigningKey::generate(&secret("pass")).unwrap();
    let again = SigningKey::parse(&text, &secret("pass")).unwrap();
    assert_eq!(again.public(), key.public());
    let signature = again.sign(b"message").unwrap();
    assert!(key.public().verifies(b"message", &signature) && !key.public().verifies(b"massage", &signature));
    assert!(!super::key().public().verifies(b"message", &signature) && !key.public().verifies(b"message", b""));
}

/// A file with a key cannot make us work or allocate without bounds.
#[test]
fn costly_parameters_are_refused() {
    let file = |n: u64, r: u64, p: u64| {
        format!(
            r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":{r},"p":{p}}},"salt":""}},"cipher":{{"name":"nacl/secretbox","nonce":"{}"}},"ciphertext":""}}"#,
            "A".repeat(32)
        )
    };
    assert_eq!(EncryptedKey::parse(file(65536, 8, 1).as_bytes()).unwrap().cost(), 65536 * 8);
    for (n, r, p) in
        [(1 << 40, 8, 1), (65536, 1 << 31, 1), (65536, 8, 1 << 31), (65535, 8, 1), (1, 8, 1), (u64::MAX, u64::MAX, 1), (1 << 63, 8, 4)]
    {
        let error = EncryptedKey::parse(file(n, r, p).as_bytes()).unwrap_err();
        assert!(error.contains("out of bounds"), "{error}");
    }
    for (from, to) in [("scrypt", "argon2"), ("secretbox", "box"), ("\"N\":4", "\"N\":0"), ("AAAAAAAA", ""), ("\"r\":8", "\"r\":8,\"r\":8")]
    {
        assert!(EncryptedKey::parse(file(4, 8, 1).replacen(from, to, 1).as_bytes()).is_err(), "{from}");
    }
}

/// The fingerprint of a policy changes with its keys, and with nothing that does not change the answer.
#[test]
fn fingerprints() {
    let (a, b) = (key(), key());
    let of = |keys: &[&SigningKey]| policy(keys).fingerprint();
    assert_eq!(of(&[&a, &b]), of(&[&b, &a]));
    assert_eq!(of(&[&a, &a]), of(&[&a]));
    assert!(of(&[&a]) != of(&[&b]) && of(&[&a]) != of(&[&a, &b]) && of(&[]) != of(&[&a]));
    let other = Policy { allowed: vec!["x".to_owned()], required: false, ..policy(&[&a]) };
    assert_eq!(other.fingerprint(), of(&[&a]));
}

/// Nobody has to name the project's key.
#[test]
fn the_projects_key_is_built_in() {
    let keys = Policy::default().keys;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].to_pem().contains("oDOC0gYSxZTopenGmX3ZFvQ1DSfh\nIr4EKRt5jC+mXaJ7c7J"), "{}", keys[0].to_pem());
}
