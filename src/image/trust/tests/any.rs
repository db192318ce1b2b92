//! Whatever the bytes are, there is an answer: seeds of the fuzz target, cut and altered.

use proptest::prelude::*;

use super::super::cosign::{EncryptedKey, PublicKey, SigningKey, bundle, simple, statement};
use super::secret;

const SEEDS: [&[u8]; 8] = [
    include_bytes!("../../../../fuzz/corpus/signature/bundle"),
    include_bytes!("../../../../fuzz/corpus/signature/statement"),
    include_bytes!("../../../../fuzz/corpus/signature/payload"),
    include_bytes!("../../../../fuzz/corpus/signature/locked-cheap"),
    include_bytes!("../../../../fuzz/corpus/signature/rsa2048.der"),
    include_bytes!("../../../../fuzz/corpus/signature/cosign.der"),
    include_bytes!("../../../../fuzz/corpus/signature/ec.pkcs8"),
    include_bytes!("../../../../fuzz/corpus/signature/cosign.pub"),
];

/// Which of the readers take the bytes.
fn takers(bytes: &[u8]) -> Vec<&'static str> {
    let key = PublicKey::of_der(bytes.to_vec()).inspect(|key| assert!(!key.verifies(b"message", bytes)));
    let locked = EncryptedKey::parse(bytes).inspect(|key| assert!(key.cost() > 1 << 10 || key.open(&secret("password")).is_err()));
    let answers = [
        ("bundle", bundle(bytes).is_ok()),
        ("statement", statement(bytes).is_ok()),
        ("payload", simple(bytes).is_ok()),
        ("locked", locked.is_ok()),
        ("public", key.is_ok()),
        ("private", SigningKey::of_pkcs8(bytes).is_ok()),
        ("PEM", std::str::from_utf8(bytes).is_ok_and(|text| PublicKey::parse(text).is_ok())),
    ];
    answers.into_iter().filter(|(_, taken)| *taken).map(|(name, _)| name).collect()
}

/// Each seed is read by one reader, and by no other.
#[test]
fn seeds_are_what_they_are() {
    let names = ["bundle", "statement", "payload", "locked", "public", "public", "private", "PEM"];
    for (seed, name) in SEEDS.iter().zip(names) {
        assert_eq!(takers(seed), [name]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Altered in a few places and cut, none of them makes a reader panic.
    #[test]
    fn altered_seeds_end_in_an_answer(seed in 0..SEEDS.len(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), end in any::<prop::sample::Index>()) {
        let mut bytes = SEEDS[seed].to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        takers(&bytes);
        takers(&bytes[..end.index(bytes.len())]);
    }
}
