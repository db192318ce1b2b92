//! One request after the other to a registry and its token server: bounded in time and size, its failures in words for people.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Certificate, Client, Identity, RequestBuilder, StatusCode, Url};

use super::challenge::{Challenge, challenges};
use super::error::CheckError;
use super::{How, RegistryError};
use crate::image::registry::certificates::{Certificates, certificates};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const LIMIT: usize = 64 << 10;

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) challenges: Vec<Challenge>,
    pub(super) body: Vec<u8>,
    pub(super) is_page: bool,
    pub(super) is_registry: bool,
}

impl Answer {
    /// For messages.
    pub(super) fn shown(&self) -> String {
        let page = if self.is_page { " and a web page" } else { "" };
        format!("{}{page}", self.status)
    }
}

/// Sets up the client for a registry; connects to nothing.
pub(super) fn client(registry: &str, how: How<'_>) -> Result<Client, RegistryError> {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = certificates(how.cert_dir, registry)?;
    let made = builder(&certificates, how).and_then(reqwest::ClientBuilder::build);
    let made = match made {
        // Plain text must work where the system has no certificates.
        Err(_) if how.plain => builder(&certificates, how).and_then(|builder| builder.tls_certs_only([]).build()),
        made => made,
    };
    made.map_err(|source| CheckError::Client { registry: registry.to_owned(), source }.into())
}

fn builder(certificates: &Certificates, how: How<'_>) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .tls_danger_accept_invalid_certs(how.unverified)
        .user_agent(concat!("gadgetry/", env!("CARGO_PKG_VERSION")));
    let mut authorities = Vec::new();
    for pem in &certificates.authorities {
        authorities.extend(Certificate::from_pem_bundle(pem)?);
    }
    if !authorities.is_empty() {
        builder = builder.tls_certs_merge(authorities);
    }
    if let Some(identity) = &certificates.identity {
        builder = builder.identity(Identity::from_pem(identity)?);
    }
    Ok(builder)
}

/// Sends a request and reads its answer.
pub(super) async fn send(request: RequestBuilder, url: &Url) -> Result<Answer, CheckError> {
    let server = address(url);
    let mut response = request.send().await.map_err(|error| explain(error, &server))?;
    let header = |name| response.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let challenges = header(WWW_AUTHENTICATE).take(8).flat_map(challenges).collect();
    let is_page = header(CONTENT_TYPE).any(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    let is_registry = response.headers().contains_key("docker-distribution-api-version");
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| explain(error, &server))? {
        let left = LIMIT.saturating_sub(body.len());
        body.extend(part.iter().take(left));
        if part.len() > left {
            break;
        }
    }
    Ok(Answer { status: response.status(), challenges, body, is_page, is_registry })
}

/// Host and port, for messages.
pub(super) fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn explain(error: reqwest::Error, server: &str) -> CheckError {
    let server = server.to_owned();
    if error.is_timeout() {
        return CheckError::Slow { server, seconds: PATIENCE.as_secs() };
    }
    match tls(&error) {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => CheckError::UnknownAuthority { server },
        Some(rustls::Error::InvalidMessage(_)) => CheckError::NoTls { server },
        Some(found @ rustls::Error::InvalidCertificate(_)) => CheckError::Certificate { server, source: Box::new(found) },
        Some(found) => CheckError::Tls { server, source: Box::new(found) },
        None => CheckError::Unreachable { server, source: error.without_url() },
    }
}

/// What TLS says, if that is what failed. It comes wrapped as an input error, several times.
fn tls(error: &reqwest::Error) -> Option<rustls::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found.clone());
        }
        // The source of an input error is the source of what is in it: that itself would be passed over.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}
