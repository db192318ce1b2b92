//! The little DER that is written: public keys, and private ones wrapped as PKCS#8.

/// The object identifiers of key types and curves, encoded.
pub(super) const EC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub(super) const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(super) const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
pub(super) const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
pub(super) const NULL: &[u8] = &[0x05, 0x00];
pub(super) const ZERO: &[u8] = &[0x02, 0x01, 0x00];

/// One value of some type.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => bytes.push(length),
        _ => {
            let length: Vec<u8> = content.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            bytes.push(0x80 | length.len() as u8);
            bytes.extend(length);
        }
    }
    bytes.extend(content);
    bytes
}

/// A sequence of values.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(0x30, &parts.concat())
}

/// Bytes.
pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    value(0x04, content)
}

/// Bits, a multiple of eight of them.
pub(super) fn bits(content: &[u8]) -> Vec<u8> {
    value(0x03, &[&[0], content].concat())
}
