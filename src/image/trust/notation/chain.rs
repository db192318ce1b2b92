//! The chain of certificates that comes with a signature: from the signer's to the root's, each issued by the next.
//! Contract: "signature-specification", section "Certificate Requirements". Name constraints and policies are not honoured, as it demands.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_PKCS1_SHA1WITHRSA, OID_PKIX_ACCESS_DESCRIPTOR_OCSP, OID_PKIX_AUTHORITY_INFO_ACCESS, OID_SHA1_WITH_RSA,
    OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
};

use super::certificate::{is_self_signed, label, parse};
use super::{time, usage};

/// Certificates in a chain.
pub(super) const LENGTH_LIMIT: usize = 10;
/// `ecdsa-with-SHA1` (RFC 3279 section 2.2.3).
const ECDSA_WITH_SHA1: &str = "1.2.840.10045.4.1";

/// The certificates of a chain that holds together; the reason when it does not, with the certificate it is about.
pub(super) fn read(chain: &[Vec<u8>]) -> Result<Vec<X509Certificate<'_>>, String> {
    if chain.is_empty() || chain.len() > LENGTH_LIMIT {
        return Err(format!("its certificate chain has {} certificates, 1 to {LENGTH_LIMIT} are allowed", chain.len()));
    }
    let mut certificates = Vec::with_capacity(chain.len());
    for (at, der) in chain.iter().enumerate() {
        certificates.push(parse(der).map_err(|reason| format!("certificate {} of its chain: {reason}", at + 1))?);
    }
    for (at, certificate) in certificates.iter().enumerate() {
        let about = |reason: String| format!("certificate {}: {reason}", label(certificate));
        algorithm(certificate).map_err(about)?;
        issued(certificate, certificates.get(at + 1), at).map_err(about)?;
        if at == 0 { usage::signer(certificate) } else { usage::authority(certificate, at - 1) }.map_err(about)?;
    }
    Ok(certificates)
}

/// SHA-1 is too weak, and the algorithm has to be the one that is signed.
fn algorithm(certificate: &X509Certificate<'_>) -> Result<(), String> {
    let used = &certificate.signature_algorithm;
    if certificate.tbs_certificate.signature != *used {
        return Err("it names two different signature algorithms".to_owned());
    }
    let weak = [OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA].contains(&used.algorithm) || used.algorithm.to_id_string() == ECDSA_WITH_SHA1;
    if weak { Err("it is signed with SHA-1".to_owned()) } else { Ok(()) }
}

/// Whether a certificate is issued by the next one; the last one by itself.
fn issued(certificate: &X509Certificate<'_>, issuer: Option<&X509Certificate<'_>>, at: usize) -> Result<(), String> {
    let Some(issuer) = issuer else {
        if certificate.issuer().as_raw() != certificate.subject().as_raw() {
            return Err("it is the last of its chain, but not signed by itself".to_owned());
        }
        return certificate.verify_signature(None).map_err(|error| format!("its own signature is not good: {error}"));
    };
    if is_self_signed(certificate) {
        let place = if at == 0 { "signer's" } else { "intermediate one" };
        return Err(format!("it is signed by itself, but the {place} of a chain"));
    }
    if certificate.issuer().as_raw() != issuer.subject().as_raw() {
        return Err(format!("it is not issued by {}, which follows it in the chain", label(issuer)));
    }
    certificate
        .verify_signature(Some(issuer.public_key()))
        .map_err(|error| format!("its signature by {} is not good: {error}", label(issuer)))
}

/// Whether each certificate is valid at a time (seconds since the Unix epoch); the reason when one is not.
pub(super) fn valid_at(certificates: &[X509Certificate<'_>], when: i64) -> Result<(), String> {
    for certificate in certificates {
        let (from, to) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
        if when < from {
            return Err(format!("certificate {} is valid only from {}", label(certificate), time::shown(from)));
        }
        if when > to {
            return Err(format!("certificate {} has expired on {}", label(certificate), time::shown(to)));
        }
    }
    Ok(())
}

/// Whether no certificate says that its revocation can be asked for: nothing is asked here, so such a question stays open.
pub(super) fn without_revocation(certificates: &[X509Certificate<'_>]) -> Result<(), String> {
    let asks = |certificate: &&X509Certificate<'_>| {
        certificate.extensions().iter().any(|extension| {
            let ocsp = || match extension.parsed_extension() {
                ParsedExtension::AuthorityInfoAccess(access) => {
                    access.iter().any(|access| access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP)
                }
                _ => true,
            };
            extension.oid == OID_X509_EXT_CRL_DISTRIBUTION_POINTS || extension.oid == OID_PKIX_AUTHORITY_INFO_ACCESS && ocsp()
        })
    };
    match certificates.iter().find(asks) {
        None => Ok(()),
        Some(certificate) => Err(format!(
            "certificate {} names an OCSP responder or a revocation list, and no network is asked here; \
             the policy's override \"revocation\": \"log\" or \"skip\" accepts that",
            label(certificate)
        )),
    }
}
