//! JWS envelopes (JSON, flattened). Contract: "signature-envelope-jws".

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Envelope;
use crate::image::trust::notation::algorithm::Algorithm;
use crate::image::trust::notation::attributes::Headers;
use crate::image::trust::notation::refusal::shown;
use crate::image::trust::notation::{chain, time};

/// The envelope. "No additional top level fields are supported."
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flattened {
    payload: String,
    protected: String,
    header: Unprotected,
    signature: String,
}

#[derive(Deserialize)]
struct Unprotected {
    #[serde(default)]
    x5c: Vec<String>,
    #[serde(rename = "io.cncf.notary.timestampSignature")]
    timestamp: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Protected {
    alg: String,
    cty: Option<String>,
    #[serde(default)]
    crit: Vec<String>,
    #[serde(rename = "io.cncf.notary.signingScheme")]
    scheme: Option<String>,
    #[serde(rename = "io.cncf.notary.signingTime")]
    signing_time: Option<String>,
    #[serde(rename = "io.cncf.notary.authenticSigningTime")]
    authentic_signing_time: Option<String>,
    #[serde(rename = "io.cncf.notary.expiry")]
    expiry: Option<String>,
    #[serde(rename = "io.cncf.notary.verificationPlugin")]
    plugin: Option<IgnoredAny>,
    #[serde(rename = "io.cncf.notary.verificationPluginMinVersion")]
    plugin_version: Option<IgnoredAny>,
}

/// Takes an envelope apart.
pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, String> {
    let envelope: Flattened =
        serde_json::from_slice(bytes).map_err(|error| format!("its envelope is no JWS in flattened JSON: {error}"))?;
    let protected = decoded("protected header", &envelope.protected)?;
    let headers: Protected = serde_json::from_slice(&protected).map_err(|error| format!("its protected header is malformed: {error}"))?;
    let algorithm = Algorithm::from_jws(&headers.alg)?;
    let attributes = Headers {
        content_type: headers.cty,
        critical: headers.crit,
        scheme: headers.scheme,
        signing_time: moment(headers.signing_time)?,
        authentic_signing_time: moment(headers.authentic_signing_time)?,
        expiry: moment(headers.expiry)?,
        plugin: headers.plugin.is_some() || headers.plugin_version.is_some(),
    };
    let attributes = attributes.check()?;
    let payload = decoded("payload", &envelope.payload)?;
    let signature = decoded("signature", &envelope.signature)?;
    let signed = format!("{}.{}", envelope.protected, envelope.payload).into_bytes();
    let chain = certificates(&envelope.header.x5c)?;
    Ok(Envelope { algorithm, attributes, payload, signed, signature, chain, timestamped: envelope.header.timestamp.is_some() })
}

fn decoded(what: &str, text: &str) -> Result<Vec<u8>, String> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("its {what} is not base64url: {error}"))
}

fn moment(text: Option<String>) -> Result<Option<i64>, String> {
    text.map(|text| time::rfc3339(&text).ok_or_else(|| format!("its time {:?} is malformed", shown(&text)))).transpose()
}

fn certificates(texts: &[String]) -> Result<Vec<Vec<u8>>, String> {
    if texts.len() > chain::LENGTH_LIMIT {
        return Err(format!("its certificate chain has {} certificates, 1 to {} are allowed", texts.len(), chain::LENGTH_LIMIT));
    }
    let decoded =
        |text: &String| BASE64_STANDARD.decode(text).map_err(|error| format!("a certificate of its chain is not base64: {error}"));
    texts.iter().map(decoded).collect()
}
