//! How one attempt failed, told from answers and from broken connections.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::image::ImageError;

/// Bytes of an error's answer that are looked at.
const ANSWER_LIMIT: usize = 16 << 10;
/// How long its coming is waited for, all in all.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Characters of it that are shown.
const SHOWN: usize = 200;

/// One attempt failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// It may work later.
    Passing {
        /// What happened.
        text: String,
        /// When the registry wants to be asked again.
        after: Option<Duration>,
    },
    /// No connection came about; one may later. So it is for all that is asked of the registry meanwhile.
    Unreachable(String),
    /// It will not work later.
    Final(String),
    /// Something came, but not what was asked for.
    Wrong(String),
    /// It is not there.
    Absent,
    /// We may not.
    Denied(String),
    /// What came could not be kept.
    Store(Box<ImageError>),
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        Fault::Store(Box::new(error))
    }
}

impl Fault {
    /// Something that passes.
    pub fn passing(text: impl Into<String>) -> Self {
        Fault::Passing { text: text.into(), after: None }
    }

    /// Nothing came for so long.
    pub fn stalled(stall: Duration) -> Self {
        Fault::passing(format!("nothing came for {} s", stall.as_secs_f32()))
    }

    /// An answer that is none of those that were hoped for. Reads a little of it.
    pub async fn of_answer(mut response: Response, stall: Duration) -> Self {
        let (status, after) = (response.status(), retry_after(response.headers()));
        let mut body = Vec::new();
        let read = async {
            while body.len() < ANSWER_LIMIT
                && let Ok(Some(part)) = response.chunk().await
            {
                body.extend_from_slice(part.get(..ANSWER_LIMIT.min(part.len())).unwrap_or_default());
            }
        };
        // What has come by then has to do.
        let _ = tokio::time::timeout(stall.min(ANSWER_TIME), read).await;
        Self::of_status(status, after, &body)
    }

    /// An answer with that status and body.
    pub fn of_status(status: StatusCode, after: Option<Duration>, body: &[u8]) -> Self {
        let said = said(body).map(|text| format!(": {text}")).unwrap_or_default();
        let text = format!("HTTP {status}{said}");
        match status {
            StatusCode::NOT_FOUND => Fault::Absent,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::Denied(text),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Fault::Passing { text, after },
            StatusCode::NOT_IMPLEMENTED => Fault::Final(text),
            status if status.is_server_error() => Fault::Passing { text, after },
            _ => Fault::Final(text),
        }
    }

    /// A connection that did not come about, or broke. `certificates` is where certificates for the registry are looked for.
    pub fn of_connection(error: &reqwest::Error, host: &str, certificates: &str) -> Self {
        if let Some(reason) = tls(error) {
            let text = causes(error);
            return match reason {
                Tls::Plain => Fault::Final(format!("it does not speak TLS ({text}); if that is meant to be: --insecure-registries {host}")),
                Tls::UnknownIssuer => Fault::Final(format!(
                    "its certificate is of an unknown authority; a *.crt of that authority belongs into {certificates}, or name its folder with --cert-dir"
                )),
                Tls::WantsCertificate => Fault::Final(format!(
                    "it wants a client certificate ({text}); *.cert and *.key belong into {certificates}, or name their folder with --cert-dir"
                )),
                Tls::Certificate => Fault::Final(format!("its certificate is refused: {text}")),
                Tls::Other => Fault::passing(text),
            };
        }
        match causes(error) {
            text if error.is_builder() || error.is_redirect() => Fault::Final(text),
            text if error.is_connect() => Fault::Unreachable(text),
            text => Fault::passing(text),
        }
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| httpdate::parse_http_date(text).ok().map(|at| at.duration_since(SystemTime::now()).unwrap_or_default()))
}

/// The registry's own words (OCI distribution spec 1.1, "Error Codes"), without what a terminal would obey.
pub(super) fn said(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
    let text = match envelope.and_then(|all| all.errors.into_iter().next()) {
        Some(One { message, code }) => {
            if message.is_empty() {
                code
            } else {
                message
            }
        }
        None => String::from_utf8_lossy(body).lines().next().unwrap_or_default().to_owned(),
    };
    // A page for browsers says nothing.
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    (!text.is_empty() && !text.starts_with('<')).then_some(text)
}

enum Tls {
    Plain,
    UnknownIssuer,
    WantsCertificate,
    Certificate,
    Other,
}

/// What TLS has against a connection.
fn tls(error: &reqwest::Error) -> Option<Tls> {
    use rustls::{AlertDescription as Alert, CertificateError, Error as E};
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = next {
        let found = one.downcast_ref::<E>().or_else(|| one.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<E>());
        if let Some(found) = found {
            return Some(match found {
                E::InvalidMessage(_) => Tls::Plain,
                E::InvalidCertificate(CertificateError::UnknownIssuer) => Tls::UnknownIssuer,
                E::InvalidCertificate(_) => Tls::Certificate,
                E::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate | Alert::HandshakeFailure) => Tls::WantsCertificate,
                _ => Tls::Other,
            });
        }
        let inner = one.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        next = inner.or_else(|| one.source());
    }
    None
}

/// The causes without the URL, which may carry what is secret.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    // The outermost error only repeats what was being done.
    let mut next = error.source();
    while let Some(one) = next {
        let text = one.to_string();
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
        next = one.source();
    }
    if parts.is_empty() { "the request failed".to_owned() } else { parts.join(": ") }
}
