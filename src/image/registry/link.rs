//! Connections to a registry: certificates, proxies of the environment, how long is waited.

use std::path::Path;
use std::time::Duration;

use reqwest::Client;

use super::attempts::Patience;
use super::certificates::Certificates;
use super::error::RegistryError;
use super::fault::{self, Fault};
use super::place::Place;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// Who we say that we are.
pub(super) const USER_AGENT: &str = concat!("gadgetry/", env!("CARGO_PKG_VERSION"));

/// The way to a registry.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Follows no redirects by itself: what goes along is decided at each.
    pub client: Client,
    pub plain: bool,
    pub patience: Patience,
    pub host: String,
    /// Where certificates for it are looked for.
    certificates: String,
}

impl Link {
    /// Prepares connections to a place; makes none.
    pub fn new(place: &Place, found: &Certificates, folder: Option<&Path>, patience: Patience) -> Result<Self, RegistryError> {
        let host = place.host.clone();
        let setup = |error| RegistryError::Setup { registry: host.clone(), reason: fault::causes(&error) };
        let client = client(place, found).map_err(setup)?;
        let usual = || format!("/etc/gadgetry/certs.d/{host}");
        let certificates = folder.map_or_else(usual, |folder| folder.display().to_string());
        Ok(Link { client, plain: place.plain, patience, host, certificates })
    }

    /// A connection that did not come about, or broke.
    pub fn broken(&self, error: &reqwest::Error) -> Fault {
        Fault::of_connection(error, &self.host, &self.certificates)
    }
}

fn client(place: &Place, found: &Certificates) -> Result<Client, reqwest::Error> {
    // An error says that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let new = || Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent(USER_AGENT).connect_timeout(CONNECT);
    // Over HTTP/1 it is told when a server wants a client certificate, and there is less that a hostile one could do.
    let mut builder = new().http1_only();
    if place.plain {
        // Plain text must work where there are no system certificates, which the default looks for.
        return builder.build().or_else(|_| new().tls_certs_only([]).build());
    }
    for pem in &found.authorities {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?);
    }
    if let Some(pem) = &found.identity {
        builder = builder.identity(reqwest::Identity::from_pem(pem)?);
    }
    builder.build()
}
