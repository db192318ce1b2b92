//! What a certificate says it may be used for. Contract: "signature-specification", section "Certificate Requirements".

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage};

/// What has to hold of the certificate whose key signed.
pub(super) fn signer(certificate: &X509Certificate<'_>) -> Result<(), String> {
    if basic_constraints(certificate)?.is_some_and(|(_, ca, _)| ca) {
        return Err("it is an authority's, which may not sign artifacts".to_owned());
    }
    let usage = key_usage(certificate)?;
    if !usage.digital_signature() {
        return Err("its key usage lacks digitalSignature".to_owned());
    }
    let forbidden = [
        ("keyEncipherment", usage.key_encipherment()),
        ("dataEncipherment", usage.data_encipherment()),
        ("keyAgreement", usage.key_agreement()),
        ("keyCertSign", usage.key_cert_sign()),
        ("cRLSign", usage.crl_sign()),
        ("encipherOnly", usage.encipher_only()),
        ("decipherOnly", usage.decipher_only()),
    ];
    refuse("key usage", &forbidden)?;
    let extended = certificate.extended_key_usage().map_err(|_| "its extended key usage is malformed".to_owned())?;
    extended.map_or(Ok(()), |extended| code_signing(extended.value))
}

/// Extended key usage is optional; where it is there, it limits the key to what it names (RFC 5280 section 4.2.1.12).
fn code_signing(usage: &ExtendedKeyUsage<'_>) -> Result<(), String> {
    let forbidden = [
        ("anyExtendedKeyUsage", usage.any),
        ("serverAuth", usage.server_auth),
        ("clientAuth", usage.client_auth),
        ("emailProtection", usage.email_protection),
        ("timeStamping", usage.time_stamping),
        ("OCSPSigning", usage.ocsp_signing),
    ];
    refuse("extended key usage", &forbidden)?;
    if usage.code_signing { Ok(()) } else { Err("its extended key usage lacks codeSigning".to_owned()) }
}

/// What has to hold of an authority's certificate with so many other authorities between it and the signer.
pub(super) fn authority(certificate: &X509Certificate<'_>, below: usize) -> Result<(), String> {
    match basic_constraints(certificate)? {
        None | Some((_, false, _)) => return Err("its basic constraints do not make it an authority".to_owned()),
        Some((false, true, _)) => return Err("its basic constraints are not marked critical".to_owned()),
        Some((true, true, Some(limit))) if usize::try_from(limit).is_ok_and(|limit| limit < below) => {
            return Err(format!("its path length allows {limit} authorities below it, the chain has {below}"));
        }
        Some(_) => {}
    }
    if key_usage(certificate)?.key_cert_sign() { Ok(()) } else { Err("its key usage lacks keyCertSign".to_owned()) }
}

/// Whether they are critical, whether they make it an authority, and the path length.
fn basic_constraints(certificate: &X509Certificate<'_>) -> Result<Option<(bool, bool, Option<u32>)>, String> {
    let found = certificate.basic_constraints().map_err(|_| "its basic constraints are malformed".to_owned())?;
    Ok(found.map(|found| (found.critical, found.value.ca, found.value.path_len_constraint)))
}

fn key_usage<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a KeyUsage, String> {
    let found = certificate.key_usage().map_err(|_| "its key usage is malformed".to_owned())?;
    let found = found.ok_or("it has no key usage")?;
    if found.critical { Ok(found.value) } else { Err("its key usage is not marked critical".to_owned()) }
}

fn refuse(what: &str, forbidden: &[(&str, bool)]) -> Result<(), String> {
    let found: Vec<_> = forbidden.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    if found.is_empty() { Ok(()) } else { Err(format!("its {what} has {}, which is not for signing artifacts", found.join(", "))) }
}
