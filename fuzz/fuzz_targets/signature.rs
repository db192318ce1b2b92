//! Any bytes as what signatures consist of: payloads, statements, bundles, public keys and locked private ones. Every one ends in an answer,
//! and a key that would cost too much is not opened.
#![no_main]

use gadgetry::image::auth::Secret;
use gadgetry::image::trust::cosign::{EncryptedKey, PublicKey, SigningKey, bundle, simple, statement};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (simple(bytes), statement(bytes));
    if let Ok(envelope) = bundle(bytes) {
        let _ = (envelope.encoding(), statement(&envelope.payload));
    }
    if let Ok(key) = PublicKey::of_der(bytes.to_vec()) {
        let _ = (key.verifies(b"message", bytes), key.to_pem());
    }
    if let Ok(key) = EncryptedKey::parse(bytes)
        && key.cost() <= 1 << 10
    {
        let _ = key.open(&Secret::new("password"));
    }
    let _ = SigningKey::of_pkcs8(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (PublicKey::parse(text), SigningKey::is_encrypted(text));
    }
});
