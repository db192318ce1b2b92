//! Whether a registry takes credentials: what `login` asks before it keeps them.

mod challenge;
mod client;
mod error;
#[cfg(test)]
mod tests;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::error::RegistryError;
use crate::image::auth::{Credentials, Secret};
pub use challenge::{Challenge, challenges};
use client::{Answer, address, send};
pub use error::CheckError;

/// Where Docker Hub answers, whatever it is called in references.
const DOCKER_HUB: &str = "registry-1.docker.io";
/// Its names in references.
const HUB_NAMES: [&str; 2] = ["docker.io", "index.docker.io"];
/// Who we are to a token server.
const CLIENT: &str = "gadgetry";

/// How the registry is to be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'a> {
    /// Without TLS.
    pub plain: bool,
    /// Whatever its certificate.
    pub unverified: bool,
    /// As [`super::Options::cert_dir`].
    pub cert_dir: Option<&'a std::path::Path>,
}

/// Asks `host[:port]` with these credentials (basic, or over its token server), as the distribution specification has it for `GET /v2/`.
/// A registry that asks nobody takes all of them.
///
/// # Errors
/// When it does not take them, or cannot be asked.
pub async fn check(host: &str, credentials: &Credentials, how: How<'_>) -> Result<(), RegistryError> {
    let client = client::client(host, how)?;
    let scheme = if how.plain { "http" } else { "https" };
    let server = if HUB_NAMES.contains(&host) { DOCKER_HUB } else { host };
    let not_there = |answer: String| CheckError::NotARegistry { registry: host.to_owned(), answer };
    let url = Url::parse(&format!("{scheme}://{server}/v2/")).map_err(|_| not_there("nothing: the name is no host".to_owned()))?;
    Ok(Asked { client, url, host, credentials }.run().await?)
}

/// A registry that is being asked.
struct Asked<'a> {
    client: Client,
    url: Url,
    host: &'a str,
    credentials: &'a Credentials,
}

/// What a token server gives: one of both.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Asked<'_> {
    async fn run(&self) -> Result<(), CheckError> {
        let first = send(self.client.get(self.url.clone()), &self.url).await?;
        match first.status {
            StatusCode::OK if first.is_registry || !first.is_page => return Ok(()),
            StatusCode::UNAUTHORIZED => {}
            StatusCode::BAD_REQUEST if self.url.scheme() == "http" && String::from_utf8_lossy(&first.body).contains("HTTPS") => {
                return Err(CheckError::OnlyTls { server: self.host.to_owned() });
            }
            _ => return Err(self.not_there(&first)),
        }
        let challenge = |scheme: &str| first.challenges.iter().find(|challenge| challenge.scheme == scheme);
        match (self.credentials, challenge("bearer"), challenge("basic")) {
            (Credentials::Bearer(token), _, _) => self.answer(Some(token)).await,
            (_, Some(bearer), _) => self.bearer(bearer).await,
            (Credentials::Basic { .. }, None, Some(_)) => self.answer(None).await,
            (_, None, Some(_)) => Err(self.refused()),
            (_, None, None) => {
                let asked: Vec<&str> = first.challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
                Err(CheckError::Unknown { registry: self.host.to_owned(), asked: asked.join(", ").chars().take(128).collect() })
            }
        }
    }

    /// Asks again, now with a token or else with user and password.
    async fn answer(&self, token: Option<&Secret>) -> Result<(), CheckError> {
        let request = self.client.get(self.url.clone());
        let request = match (token, self.credentials) {
            (Some(token), _) => request.bearer_auth(token.reveal()),
            (None, Credentials::Basic { user, password }) => request.basic_auth(user, Some(password.reveal())),
            (None, _) => request,
        };
        let answer = send(request, &self.url).await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.refused()),
            _ => Err(self.not_there(&answer)),
        }
    }

    async fn bearer(&self, challenge: &Challenge) -> Result<(), CheckError> {
        let realm = self.realm(challenge)?;
        let service = challenge.parameter("service");
        let request = match self.credentials {
            Credentials::Identity(token) => {
                let mut form = vec![("grant_type", "refresh_token"), ("client_id", CLIENT), ("refresh_token", token.reveal())];
                form.extend(service.map(|service| ("service", service)));
                let kind = "application/x-www-form-urlencoded";
                self.client.post(realm.clone()).header(reqwest::header::CONTENT_TYPE, kind).body(encoded(&form))
            }
            credentials => {
                let mut url = realm.clone();
                if let Some(service) = service {
                    url.query_pairs_mut().append_pair("service", service);
                }
                match credentials {
                    Credentials::Basic { user, password } => {
                        url.query_pairs_mut().append_pair("account", user).append_pair("client_id", CLIENT);
                        self.client.get(url).basic_auth(user, Some(password.reveal()))
                    }
                    _ => self.client.get(url),
                }
            }
        };
        let token = self.token(&send(request, &realm).await?, &realm)?;
        self.answer(Some(&token)).await
    }

    /// The token server, if it may be told a password.
    fn realm(&self, challenge: &Challenge) -> Result<Url, CheckError> {
        let refused = |reason| CheckError::Realm { registry: self.host.to_owned(), reason };
        let realm = challenge.parameter("realm").ok_or_else(|| refused("its address is missing"))?;
        let realm = Url::parse(realm).map_err(|_| refused("its address is no URL"))?;
        match (realm.scheme(), self.url.scheme()) {
            ("https", _) | ("http", "http") => {}
            ("http", _) => return Err(refused("it is to be spoken to without TLS, unlike the registry")),
            _ => return Err(refused("its address is neither https nor http")),
        }
        if !realm.username().is_empty() || realm.password().is_some() || realm.host_str().is_none() {
            return Err(refused("its address has a user in it, or no host"));
        }
        Ok(realm)
    }

    fn token(&self, answer: &Answer, realm: &Url) -> Result<Secret, CheckError> {
        let other = |what: String| CheckError::Token { server: address(realm), answer: what };
        match answer.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.refused()),
            // OAuth 2 (RFC 6749 section 5.2) says so for tokens that are not good any more.
            StatusCode::BAD_REQUEST if matches!(self.credentials, Credentials::Identity(_)) => return Err(self.refused()),
            _ => return Err(other(answer.shown())),
        }
        let given: Option<Token> = serde_json::from_slice(&answer.body).ok();
        let token = given.and_then(|given| given.token.or(given.access_token)).filter(|token| !token.is_empty());
        token.map(Secret::new).ok_or_else(|| other("something else than a token".to_owned()))
    }

    fn refused(&self) -> CheckError {
        CheckError::Refused { registry: self.host.to_owned() }
    }

    fn not_there(&self, answer: &Answer) -> CheckError {
        CheckError::NotARegistry { registry: self.host.to_owned(), answer: answer.shown() }
    }
}

/// As a form's body.
fn encoded(form: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://localhost") else { return String::new() };
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}
