//! One repository at one registry: connections, redirects, and what it is told about who asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, RANGE, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::Options;
use super::attempts::{Patience, Silence, Task};
use super::certificates::{Certificates, certificates};
use super::check::challenges;
use super::error::RegistryError;
use super::fault::Fault;
use super::link::Link;
use super::place::Place;
use super::token;
use crate::image::auth::{AuthFile, Credentials};

/// Redirects that are followed.
const REDIRECTS: u32 = 5;
/// What proves who asks.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// User and password.
    Basic(String, String),
    /// A token.
    Bearer(String),
}

/// A repository at a registry.
pub(super) struct Remote {
    pub place: Place,
    pub link: Link,
    pub certificates: Certificates,
    /// Whether we want to write there.
    writes: bool,
    credentials: Credentials,
    proof: Mutex<Option<Proof>>,
    /// Whether the registry has been asked what it wants to know.
    introduced: AtomicBool,
    silence: Silence,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub method: Method,
    pub url: String,
    pub accept: &'static str,
    /// From which byte on.
    pub from: u64,
    /// Type and content.
    pub body: Option<(String, Bytes)>,
}

impl Ask {
    pub fn new(method: Method, url: String) -> Self {
        Ask { method, url, accept: "*/*", from: 0, body: None }
    }
}

impl Remote {
    /// Prepares connections; makes none.
    pub async fn new(place: Place, options: &Options, file: &AuthFile, patience: Patience, writes: bool) -> Result<Self, RegistryError> {
        let found = certificates(options.cert_dir.as_deref(), &place.host)?;
        let link = Link::new(&place, &found, options.cert_dir.as_deref(), patience)?;
        let credentials = if place.plain { Credentials::Anonymous } else { credentials(file, &place).await? };
        let proof = match &credentials {
            Credentials::Bearer(token) => Some(Proof::Bearer(token.reveal().to_owned())),
            _ => None,
        };
        let (proof, introduced, silence) = (Mutex::new(proof), AtomicBool::new(false), Silence::default());
        Ok(Remote { place, link, certificates: found, writes, credentials, proof, introduced, silence })
    }

    /// The URL of something in the repository.
    pub fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.place.base(), self.place.repository)
    }

    /// A task there.
    pub fn task<'a>(&'a self, reference: &'a str, verb: &'a str, what: &'a str) -> Task<'a> {
        Task { reference, host: &self.place.host, verb, what, plain: self.place.plain, silence: &self.silence }
    }

    /// Asks once, and a second time when the registry wants to know who asks.
    pub async fn send(&self, ask: &Ask) -> Result<Response, Fault> {
        let used = self.proof.lock().await.clone();
        let response = self.follow(ask, used.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_ours(response.url()) {
            return Ok(response);
        }
        match self.prove(&response, used).await? {
            Some(proof) => self.follow(ask, Some(&proof)).await,
            None => Ok(response),
        }
    }

    /// Makes sure that a proof is at hand where the registry wants one.
    pub async fn introduce(&self) -> Result<Option<Proof>, Fault> {
        if self.introduced.load(Ordering::Relaxed) {
            return Ok(self.proof.lock().await.clone());
        }
        let response = self.send(&Ask::new(Method::GET, format!("{}/v2/", self.place.base()))).await?;
        match response.status() {
            // What is not allowed in general may be for the repository.
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Fault::of_answer(response, self.link.patience.stall).await)
            }
            _ => {
                self.introduced.store(true, Ordering::Relaxed);
                Ok(self.proof.lock().await.clone())
            }
        }
    }

    /// Forgets a proof that did not do.
    pub async fn forget(&self) {
        self.introduced.store(false, Ordering::Relaxed);
        if !matches!(self.credentials, Credentials::Bearer(_)) {
            *self.proof.lock().await = None;
        }
    }

    /// Follows redirects. Proofs go to nobody but the registry.
    async fn follow(&self, ask: &Ask, proof: Option<&Proof>) -> Result<Response, Fault> {
        let mut url = Url::parse(&ask.url).map_err(|error| Fault::Final(format!("{error}: {}", ask.url)))?;
        for _ in 0..=REDIRECTS {
            let response = self.once(ask, url.clone(), proof).await?;
            let asks_only = matches!(ask.method, Method::GET | Method::HEAD);
            let next = response.headers().get(LOCATION).filter(|_| asks_only && response.status().is_redirection());
            let Some(next) = next else { return Ok(response) };
            let next = next.to_str().ok().and_then(|next| response.url().join(next).ok());
            let next = next.ok_or_else(|| Fault::Final("it redirects to something that is no URL".to_owned()))?;
            if next.scheme() != "https" && !(next.scheme() == "http" && self.place.plain) {
                return Err(Fault::Final(format!("it redirects to a place without TLS: {}", next.host_str().unwrap_or_default())));
            }
            url = next;
        }
        Err(Fault::Final(format!("it redirects more than {REDIRECTS} times")))
    }

    async fn once(&self, ask: &Ask, url: Url, proof: Option<&Proof>) -> Result<Response, Fault> {
        let ours = self.is_ours(&url);
        let mut request = self.link.client.request(ask.method.clone(), url).header(ACCEPT, ask.accept);
        if ask.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.from));
        }
        match proof.filter(|_| ours) {
            Some(Proof::Basic(user, password)) => request = request.basic_auth(user, Some(password)),
            Some(Proof::Bearer(token)) => request = request.header(AUTHORIZATION, bearer(token)?),
            None => {}
        }
        let mut patience = self.link.patience.stall;
        if let Some((kind, bytes)) = &ask.body {
            // 64 KiB/s are little, but more than nothing.
            patience += Duration::from_secs(bytes.len() as u64 >> 16);
            request = request.header(CONTENT_TYPE, kind).body(bytes.clone());
        }
        match tokio::time::timeout(patience, request.send()).await {
            Ok(Ok(response)) => {
                self.silence.broken();
                Ok(response)
            }
            Ok(Err(error)) => Err(self.link.broken(&error)),
            Err(_) => Err(Fault::stalled(patience)),
        }
    }

    /// Whether a URL is the registry's.
    fn is_ours(&self, url: &Url) -> bool {
        Url::parse(&self.place.base()).is_ok_and(|base| base.origin() == url.origin())
    }

    /// What the registry asks for, other than what it was told already.
    async fn prove(&self, response: &Response, used: Option<Proof>) -> Result<Option<Proof>, Fault> {
        let mut proof = self.proof.lock().await;
        if *proof != used {
            return Ok(proof.clone());
        }
        let headers = response.headers().get_all(WWW_AUTHENTICATE).into_iter().take(8).filter_map(|header| header.to_str().ok());
        let asked: Vec<_> = headers.flat_map(challenges).collect();
        let named = |scheme: &str| asked.iter().find(|challenge| challenge.scheme == scheme);
        let new = match (named("bearer"), named("basic"), &self.credentials) {
            (_, _, Credentials::Bearer(_)) => None,
            (Some(challenge), _, credentials) => {
                let realm = challenge.parameter("realm").ok_or_else(|| Fault::Final("it names no token server".to_owned()))?;
                let actions = if self.writes { "pull,push" } else { "pull" };
                let scope = format!("repository:{}:{actions}", self.place.repository);
                Some(Proof::Bearer(token::token(&self.link, realm, challenge.parameter("service"), &scope, credentials).await?))
            }
            (None, Some(_), Credentials::Basic { user, password }) => Some(Proof::Basic(user.clone(), password.reveal().to_owned())),
            (None, _, _) => None,
        };
        if new.is_none() || new == used {
            return Ok(None);
        }
        *proof = new.clone();
        Ok(new)
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Fault::Final("the token has characters that no header can have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Files and credential helpers are waited for elsewhere.
async fn credentials(file: &AuthFile, place: &Place) -> Result<Credentials, RegistryError> {
    let (file, host, repository) = (file.clone(), place.host.clone(), place.repository.clone());
    let asked = tokio::task::spawn_blocking(move || file.credentials(&host, &repository)).await;
    match asked {
        Ok(found) => found.map_err(|source| RegistryError::Credentials { registry: place.host.clone(), source }),
        Err(error) => Err(RegistryError::Setup { registry: place.host.clone(), reason: error.to_string() }),
    }
}
