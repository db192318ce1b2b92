//! COSE envelopes (`COSE_Sign1_Tagged`). Contract: "signature-envelope-cose", RFC 9052.

use coset::cbor::value::Value;
use coset::iana::HeaderParameter;
use coset::{CoseSign1, Header, Label, RegisteredLabel, RegisteredLabelWithPrivate, TaggedCborSerializable};

use super::Envelope;
use crate::image::trust::notation::algorithm::Algorithm;
use crate::image::trust::notation::attributes::{AUTHENTIC_SIGNING_TIME, EXPIRY, Headers, PLUGIN, PLUGIN_VERSION, SCHEME, SIGNING_TIME};
use crate::image::trust::notation::chain;

/// Levels of arrays, maps and tags; an envelope as specified has 5.
const DEPTH_LIMIT: usize = 16;
/// The tag of `COSE_Sign1_Tagged`.
const SIGN1: u64 = 18;
/// The tag of a date as seconds since the Unix epoch.
const EPOCH: u64 = 1;
/// The header of countersignatures (RFC 8152 section 3.1).
const COUNTERSIGNATURE: i128 = 7;
/// The header with the certificates (RFC 9360).
const X5CHAIN: i64 = 33;
const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";

/// Takes an envelope apart.
pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, String> {
    check_shape(bytes)?;
    let envelope = CoseSign1::from_tagged_slice(bytes).map_err(|error| format!("its envelope is no COSE_Sign1: {error}"))?;
    let protected = &envelope.protected.header;
    let algorithm = match &protected.alg {
        Some(RegisteredLabelWithPrivate::Assigned(number)) => Algorithm::from_cose(*number)?,
        Some(other) => return Err(format!("the algorithm {other:?} is not one of the specification's")),
        None => return Err("its protected header names no algorithm".to_owned()),
    };
    let attributes = headers(protected)?.check()?;
    let chain = chain_of(&envelope)?;
    let timestamped = find(&envelope.unprotected, &Label::Text(TIMESTAMP.to_owned())).is_some();
    let signed = envelope.tbs_data(&[]);
    let payload = envelope.payload.ok_or("its payload is detached")?;
    Ok(Envelope { algorithm, attributes, payload, signed, signature: envelope.signature, chain, timestamped })
}

/// Bounds what coset reads: it follows countersignatures, which nest protected headers in strings, to any depth.
fn check_shape(bytes: &[u8]) -> Result<(), String> {
    let malformed = || "its envelope is no COSE_Sign1_Tagged".to_owned();
    let Value::Tag(SIGN1, content) = value(bytes)? else { return Err(malformed()) };
    let Value::Array(parts) = *content else { return Err(malformed()) };
    let [Value::Bytes(protected), Value::Map(unprotected), _, _] = parts.as_slice() else { return Err(malformed()) };
    let Value::Map(protected) = value(protected)? else { return Err(malformed()) };
    let countersigned = |(label, _): &(Value, Value)| matches!(label, Value::Integer(label) if i128::from(*label) == COUNTERSIGNATURE);
    if protected.iter().chain(unprotected).any(countersigned) {
        return Err("its headers hold countersignatures, which the specification does not know".to_owned());
    }
    Ok(())
}

fn value(mut bytes: &[u8]) -> Result<Value, String> {
    let read = coset::cbor::de::from_reader_with_recursion_limit(&mut bytes, DEPTH_LIMIT);
    let value = read.map_err(|_| "its envelope is no CBOR, or nested too deep".to_owned())?;
    if bytes.is_empty() { Ok(value) } else { Err("something follows its envelope".to_owned()) }
}

fn headers(header: &Header) -> Result<Headers, String> {
    let content_type = match &header.content_type {
        Some(RegisteredLabel::Text(text)) => Some(text.clone()),
        Some(RegisteredLabel::Assigned(number)) => Some(format!("{number:?}")),
        None => None,
    };
    let named = |name: &str| find(header, &Label::Text(name.to_owned()));
    let scheme = match named(SCHEME) {
        Some(Value::Text(text)) => Some(text.clone()),
        Some(_) => return Err(format!("its {SCHEME} is no text")),
        None => None,
    };
    Ok(Headers {
        content_type,
        critical: header.crit.iter().map(critical).collect(),
        scheme,
        signing_time: moment(named(SIGNING_TIME))?,
        authentic_signing_time: moment(named(AUTHENTIC_SIGNING_TIME))?,
        expiry: moment(named(EXPIRY))?,
        plugin: named(PLUGIN).or(named(PLUGIN_VERSION)).is_some(),
    })
}

fn critical(label: &RegisteredLabelWithPrivate<HeaderParameter>) -> String {
    match label {
        RegisteredLabelWithPrivate::Text(text) => text.clone(),
        RegisteredLabelWithPrivate::Assigned(number) => format!("{number:?}"),
        RegisteredLabelWithPrivate::PrivateUse(number) => number.to_string(),
    }
}

fn find<'a>(header: &'a Header, label: &Label) -> Option<&'a Value> {
    header.rest.iter().find(|(found, _)| found == label).map(|(_, value)| value)
}

/// Seconds since the Unix epoch, fractions cut off.
fn moment(value: Option<&Value>) -> Result<Option<i64>, String> {
    let Some(value) = value else { return Ok(None) };
    let seconds = match value {
        Value::Tag(EPOCH, seconds) => match &**seconds {
            Value::Integer(seconds) => i64::try_from(*seconds).ok(),
            Value::Float(seconds) if seconds.abs() < 3e11 => Some(seconds.floor() as i64),
            _ => None,
        },
        _ => None,
    };
    seconds.map(Some).ok_or_else(|| "a time in its protected header is malformed".to_owned())
}

/// The certificates: in the unprotected header, or in the protected one.
fn chain_of(envelope: &CoseSign1) -> Result<Vec<Vec<u8>>, String> {
    let label = Label::Int(X5CHAIN);
    let malformed = || "its certificate chain is malformed".to_owned();
    let found = match (find(&envelope.unprotected, &label), find(&envelope.protected.header, &label)) {
        (Some(_), Some(_)) => return Err("it has two certificate chains".to_owned()),
        (Some(found), None) | (None, Some(found)) => found,
        (None, None) => return Err("it has no certificate chain".to_owned()),
    };
    let certificate = |value: &Value| value.as_bytes().cloned().ok_or_else(malformed);
    match found {
        Value::Bytes(certificate) => Ok(vec![certificate.clone()]),
        Value::Array(values) if values.len() <= chain::LENGTH_LIMIT => values.iter().map(certificate).collect(),
        Value::Array(values) => {
            Err(format!("its certificate chain has {} certificates, 1 to {} are allowed", values.len(), chain::LENGTH_LIMIT))
        }
        _ => Err(malformed()),
    }
}
