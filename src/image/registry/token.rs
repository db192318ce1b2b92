//! Tokens: a registry names a server that gives them, to anyone or for credentials (Docker's token specification, and its OAuth2
//! flavour for identity tokens).

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Url};

use super::body;
use super::fault::Fault;
use super::link::Link;
use crate::image::auth::Credentials;

/// Bytes a token server's answer may have.
const ANSWER_LIMIT: u64 = 256 << 10;
/// What we are to a token server.
const CLIENT_ID: &str = "gadgetry";

#[derive(serde::Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Asks the server at `realm` for a token of that scope.
///
/// # Errors
/// When it gives none. Its refusal is one of the registry.
pub(super) async fn token(
    link: &Link,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credentials: &Credentials,
) -> Result<String, Fault> {
    let server = Url::parse(realm).map_err(|_| Fault::Final(format!("it names a token server that is no URL: {}", shown(realm))))?;
    let host = server.host_str().unwrap_or_default().to_owned();
    let secret = !matches!(credentials, Credentials::Anonymous);
    match server.scheme() {
        "https" => {}
        "http" if link.plain => {}
        "http" if !secret => {}
        _ => return Err(Fault::Final(format!("it names a token server without TLS, which is not told credentials: {}", shown(realm)))),
    }
    let request = request(&link.client, server, service, scope, credentials)?;
    let sent = tokio::time::timeout(link.patience.stall, request.header(ACCEPT, "application/json").send()).await;
    let response = sent.map_err(|_| Fault::stalled(link.patience.stall))?.map_err(|error| link.broken(&error))?;
    if !response.status().is_success() {
        let fault = Fault::of_answer(response, link.patience.stall).await;
        return Err(of_server(fault, &host));
    }
    let bytes = body::whole(response, ANSWER_LIMIT, link.patience.stall).await.map_err(|fault| of_server(fault, &host))?;
    let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token)).filter(|token| !token.is_empty());
    token.ok_or_else(|| Fault::Final(format!("its token server {host} answers with something that is no token")))
}

fn request(
    client: &Client,
    mut server: Url,
    service: Option<&str>,
    scope: &str,
    credentials: &Credentials,
) -> Result<reqwest::RequestBuilder, Fault> {
    let pairs = service.map(|service| ("service", service)).into_iter().chain([("scope", scope)]);
    if let Credentials::Identity(secret) = credentials {
        let fixed = [("grant_type", "refresh_token"), ("refresh_token", secret.reveal()), ("client_id", CLIENT_ID)];
        // A URL is only the means of writing a form.
        let form = Url::parse_with_params("http://form/", pairs.chain(fixed)).map_err(|error| Fault::Final(error.to_string()))?;
        let body = form.query().unwrap_or_default().to_owned();
        return Ok(client.post(server).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body));
    }
    server.query_pairs_mut().extend_pairs(pairs);
    let request = client.get(server);
    Ok(match credentials {
        Credentials::Basic { user, password } => request.basic_auth(user, Some(password.reveal())),
        _ => request,
    })
}

/// Says that it was the token server, and that its refusal ends the matter.
fn of_server(fault: Fault, host: &str) -> Fault {
    let named = |text: String| format!("its token server {host}: {text}");
    match fault {
        Fault::Passing { text, after } => Fault::Passing { text: named(text), after },
        Fault::Unreachable(text) => Fault::passing(named(text)),
        Fault::Denied(text) => Fault::Denied(named(text)),
        Fault::Absent => Fault::Final(named("HTTP 404 Not Found".to_owned())),
        Fault::Final(text) | Fault::Wrong(text) => Fault::Final(named(text)),
        Fault::Store(error) => Fault::Store(error),
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
