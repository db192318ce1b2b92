//! Certificates: those that are trusted (PEM texts), and those that come with a signature (DER), all within bounds.

use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

use super::refusal::shown;

/// Bytes of a certificate.
const SIZE_LIMIT: usize = 16 * 1024;
/// Bytes of a text with certificates.
const TEXT_LIMIT: usize = 1024 * 1024;
/// Certificates in the trust store.
const COUNT_LIMIT: usize = 256;

/// One certificate and nothing behind it; the reason when it is none.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    if der.len() > SIZE_LIMIT {
        return Err(format!("it has more than {SIZE_LIMIT} bytes"));
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) if is_strict(&certificate) => Ok(certificate),
        Ok(([], _)) => Err("it is not encoded as DER asks".to_owned()),
        Ok(_) => Err("something follows it".to_owned()),
        Err(error) => Err(format!("it is no X.509 certificate: {}", shown(&error.to_string()))),
    }
}

/// Whether what lies around the signed part is as DER has it: nothing signs that, and the parser does not look at each tag in it.
fn is_strict(certificate: &X509Certificate<'_>) -> bool {
    let (raw, signed) = (certificate.as_raw(), certificate.tbs_certificate.as_ref());
    let bits = element(0x03, &[&[0], certificate.signature_value.data.as_ref()].concat());
    let starts_at = |at: &usize| raw.get(*at..).is_some_and(|rest| rest.starts_with(signed));
    let algorithm = || raw.get((2..=6).find(starts_at)? + signed.len()..raw.len().checked_sub(bits.len())?);
    let Some(algorithm) = algorithm().filter(|algorithm| !algorithm.is_empty()) else { return false };
    let is_signed = signed.windows(algorithm.len()).any(|part| part == algorithm);
    is_signed && element(0x30, &[signed, algorithm, &bits].concat()) == raw
}

/// A DER element: tag, length, content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut made = vec![tag];
    match (length.as_slice(), u8::try_from(length.len())) {
        ([], _) => made.push(0),
        ([short], _) if *short < 0x80 => made.push(*short),
        (_, count) => made.extend(std::iter::once(0x80 | count.unwrap_or(0)).chain(length)),
    }
    made.extend_from_slice(content);
    made
}

/// A certificate for people: its subject, or its serial number when it names nobody.
pub(super) fn label(certificate: &X509Certificate<'_>) -> String {
    let subject = shown(&certificate.subject().to_string());
    if subject.is_empty() { format!("serial number {}", shown(&certificate.raw_serial_as_string())) } else { subject }
}

/// Whether a certificate has issued itself and its signature says so, too.
pub(super) fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw() && certificate.verify_signature(None).is_ok()
}

/// The certificates of PEM texts (DER, each once, in order of their bytes), or all that is wrong with the texts. Only authorities and
/// certificates that signed themselves can end a chain, so only they are taken ("trust-store-trust-policy", section "Trust Store").
pub(super) fn store(texts: &[String]) -> Result<Vec<Vec<u8>>, Vec<String>> {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        match blocks(text) {
            Ok(certificates) => found.extend(certificates),
            Err(reasons) => wrong.extend(reasons.into_iter().map(|reason| format!("certificate {}: {reason}", at + 1))),
        }
    }
    if texts.is_empty() {
        wrong.push("there is no certificate".to_owned());
    }
    found.sort_unstable();
    found.dedup();
    if found.len() > COUNT_LIMIT {
        wrong.push(format!("there are more than {COUNT_LIMIT} certificates"));
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn blocks(text: &str) -> Result<Vec<Vec<u8>>, Vec<String>> {
    if text.len() > TEXT_LIMIT {
        return Err(vec![format!("the text has more than {TEXT_LIMIT} bytes")]);
    }
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for block in Pem::iter_from_buffer(text.as_bytes()).take(COUNT_LIMIT + 1) {
        match block.map_err(|error| format!("malformed PEM: {error}")).and_then(|block| anchor(block.label, block.contents)) {
            Ok(der) => found.push(der),
            Err(reason) => wrong.push(reason),
        }
    }
    if found.is_empty() && wrong.is_empty() {
        wrong.push("there is no PEM certificate in it".to_owned());
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn anchor(kind: String, der: Vec<u8>) -> Result<Vec<u8>, String> {
    if kind != "CERTIFICATE" {
        return Err(format!("it holds a {}, not only certificates", shown(&kind)));
    }
    let certificate = parse(&der)?;
    if !certificate.is_ca() && !is_self_signed(&certificate) {
        let name = label(&certificate);
        return Err(format!(
            "{name} is neither an authority nor signed by itself; the certificate of the authority that issued it is needed"
        ));
    }
    Ok(der)
}
