//! Private keys as cosign keeps them: PKCS#8 in NaCl's secretbox, under a key that scrypt makes of a password. The parameters are
//! foreign: what they cost is bounded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead, KeyInit, generic_array::GenericArray};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use ring::rand::SecureRandom;
use serde_json::Value;

use super::{documents, json};
use crate::image::auth::Secret;

/// What scrypt may need, in blocks of 128 bytes: 256 MiB. cosign's own keys take 64 MiB.
const BLOCKS: u64 = 1 << 21;
/// How often it may do so.
const ROUNDS: u64 = 4;
/// Bytes of salt and ciphertext.
const CONTENT: usize = 16 << 10;
/// What cosign chooses: log2 of N, r, p.
const PARAMETERS: (u8, u32, u32) = (16, 8, 1);

/// A private key that a password opens.
pub struct EncryptedKey {
    log_n: u8,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

impl EncryptedKey {
    /// Reads the JSON inside of the PEM.
    ///
    /// # Errors
    /// When it is none, or asks for more time or memory than such a key may.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document = json::parse(bytes)?;
        let named = |path: &[&str], name: &str| match json::text(&document, path)? {
            found if found == name => Ok(()),
            found => Err(format!("its {} is {:?}, not {name:?}", path.join("."), documents::short(found))),
        };
        named(&["kdf", "name"], "scrypt")?;
        named(&["cipher", "name"], "nacl/secretbox")?;
        let number = |key: &str| {
            let found = document.get("kdf").and_then(|kdf| kdf.get("params")).and_then(|params| params.get(key)).and_then(Value::as_u64);
            found.filter(|number| *number > 0).ok_or_else(|| format!("its kdf.params.{key} is no positive number"))
        };
        let (n, r, p) = (number("N")?, number("r")?, number("p")?);
        if !n.is_power_of_two() || n < 2 || n.saturating_mul(r) > BLOCKS || r.saturating_mul(p) > BLOCKS || p > ROUNDS {
            return Err(format!("its scrypt parameters N={n}, r={r}, p={p} are out of bounds (256 MiB, p at most {ROUNDS})"));
        }
        let content = |path: &[&str]| {
            let bytes = documents::decode(json::text(&document, path)?, path.last().unwrap_or(&""))?;
            if bytes.len() > CONTENT { Err(format!("its {} is too long", path.join("."))) } else { Ok(bytes) }
        };
        let nonce = content(&["cipher", "nonce"])?.try_into().map_err(|_| "its nonce has not 24 bytes")?;
        let (salt, ciphertext) = (content(&["kdf", "salt"])?, content(&["ciphertext"])?);
        Ok(EncryptedKey { log_n: n.ilog2() as u8, r: r as u32, p: p as u32, salt, nonce, ciphertext })
    }

    /// What opening it costs, in blocks of 128 bytes that are worked through.
    pub fn cost(&self) -> u64 {
        (1u64 << self.log_n).saturating_mul(self.r.into()).saturating_mul(self.p.into())
    }

    /// What is inside: PKCS#8, DER.
    ///
    /// # Errors
    /// When the password is not the right one.
    pub fn open(&self, password: &Secret) -> Result<Vec<u8>, String> {
        let opened = self.cipher(password)?.decrypt(Nonce::from_slice(&self.nonce), self.ciphertext.as_slice());
        opened.map_err(|_| "the password does not open it".to_owned())
    }

    /// Locks a key (PKCS#8, DER) as cosign does; gives the JSON inside of the PEM.
    pub(super) fn lock(der: &[u8], password: &Secret, random: &dyn SecureRandom) -> Result<Vec<u8>, String> {
        let (mut salt, mut nonce) = (vec![0; 32], [0; 24]);
        random.fill(&mut salt).and_then(|()| random.fill(&mut nonce)).map_err(|_| "there are no random numbers")?;
        let (log_n, r, p) = PARAMETERS;
        let mut key = EncryptedKey { log_n, r, p, salt, nonce, ciphertext: Vec::new() };
        let locked = key.cipher(password)?.encrypt(Nonce::from_slice(&nonce), der);
        key.ciphertext = locked.map_err(|_| "it cannot be encrypted")?;
        let document = serde_json::json!({
            "kdf": {"name": "scrypt", "params": {"N": 1u64 << log_n, "r": r, "p": p}, "salt": STANDARD.encode(&key.salt)},
            "cipher": {"name": "nacl/secretbox", "nonce": STANDARD.encode(key.nonce)},
            "ciphertext": STANDARD.encode(&key.ciphertext),
        });
        Ok(document.to_string().into_bytes())
    }

    fn cipher(&self, password: &Secret) -> Result<XSalsa20Poly1305, String> {
        let parameters = scrypt::Params::new(self.log_n, self.r, self.p).map_err(|_| "its scrypt parameters are invalid")?;
        let mut key = [0; 32];
        scrypt::scrypt(password.reveal().as_bytes(), &self.salt, &parameters, &mut key).map_err(|_| "scrypt failed")?;
        Ok(XSalsa20Poly1305::new(GenericArray::from_slice(&key)))
    }
}

impl std::fmt::Debug for EncryptedKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("EncryptedKey")
    }
}
