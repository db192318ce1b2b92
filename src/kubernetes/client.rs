//! The way to the API server: made of a kubeconfig or a service account, made anew when it does not work.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::answer::{self, Lines};
use super::error::KubernetesError;
use super::settings::Settings;
use super::status::Reporter;

/// A plugin for credentials may talk to a cloud.
const SETUP: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server has until it begins to answer, and again until it ends.
const ANSWER: Duration = Duration::from_secs(30);
const MAX_KUBECONFIG: u64 = 1 << 20;

/// Makes the client when it is needed first.
pub(super) struct Connector {
    settings: Settings,
    reporter: Arc<Reporter>,
    made: Mutex<Option<kube::Client>>,
}

impl Connector {
    pub fn new(settings: Settings, reporter: Arc<Reporter>) -> Self {
        Connector { settings, reporter, made: Mutex::new(None) }
    }

    /// An object, or a list of them, read whole.
    pub async fn get<T: DeserializeOwned>(&self, doing: &str, path: &str) -> Result<T, KubernetesError> {
        let response = self.send(doing, path).await?;
        let bytes = answer::whole(doing, response, ANSWER).await?;
        serde_json::from_slice(&bytes).map_err(|source| KubernetesError::Malformed { doing: doing.to_owned(), source })
    }

    /// Whether the API server says anything at all; what it says is of no interest.
    pub async fn answers(&self) -> Result<(), KubernetesError> {
        match self.send("see whether the API server answers", "/version").await {
            Ok(_) | Err(KubernetesError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// An answer that goes on and on, line by line.
    pub async fn lines(&self, doing: &str, path: &str) -> Result<Lines, KubernetesError> {
        Ok(Lines::new(doing, self.send(doing, path).await?))
    }

    /// Forgets the client, so that the next request reads the credentials anew.
    pub async fn renew(&self) {
        self.made.lock().await.take();
    }

    async fn send(&self, doing: &str, path: &str) -> Result<Body, KubernetesError> {
        let client = self.client().await?;
        let failed = |source| KubernetesError::Request { doing: doing.to_owned(), source };
        let request = axum::http::Request::get(path).header("accept", "application/json");
        let request = request.body(Body::empty()).map_err(|error| failed(error.into()))?;
        let timeout = || KubernetesError::Timeout { doing: doing.to_owned(), limit: ANSWER };
        let response = tokio::time::timeout(ANSWER, client.send(request)).await.map_err(|_| timeout())?;
        let response = response.map_err(|error| failed(Box::new(error)))?;
        match response.status().is_success() {
            true => Ok(response.into_body()),
            false => Err(answer::refusal(doing, response.status().as_u16(), response.into_body()).await),
        }
    }

    async fn client(&self) -> Result<kube::Client, KubernetesError> {
        let mut made = self.made.lock().await;
        if let Some(client) = &*made {
            return Ok(client.clone());
        }
        let config = config(self.settings.kubeconfig.as_deref()).await?;
        let url = config.cluster_url.to_string();
        self.reporter.url(&url);
        // Plugins for credentials are run right here, and waited for.
        let runtime = tokio::runtime::Handle::current();
        let making = tokio::task::spawn_blocking(move || {
            let _entered = runtime.enter();
            kube::Client::try_from(config)
        });
        let client = match tokio::time::timeout(SETUP, making).await {
            Err(_) => return Err(KubernetesError::Setup(SETUP)),
            Ok(Err(error)) => return Err(KubernetesError::Request { doing: "set up the client".to_owned(), source: error.into() }),
            Ok(Ok(client)) => client.map_err(|source| KubernetesError::Client { url, source: Box::new(source) })?,
        };
        Ok(made.insert(client).clone())
    }
}

async fn config(kubeconfig: Option<&Path>) -> Result<kube::Config, KubernetesError> {
    // An error says that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = match kubeconfig {
        None => kube::Config::incluster().map_err(KubernetesError::ServiceAccount)?,
        Some(path) => of_file(path).await.map_err(|source| KubernetesError::Kubeconfig { path: path.to_owned(), source })?,
    };
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(ANSWER);
    // When to try again is decided here.
    config.default_retry = false;
    Ok(config)
}

async fn of_file(path: &Path) -> Result<kube::Config, Box<dyn std::error::Error + Send + Sync>> {
    let file = std::fs::metadata(path)?;
    if !file.is_file() || file.len() > MAX_KUBECONFIG {
        return Err(format!("it is not a file of at most {MAX_KUBECONFIG} bytes").into());
    }
    let kubeconfig = Kubeconfig::read_from(path)?;
    let has_proxy = |cluster: &kube::config::NamedCluster| cluster.cluster.as_ref().is_some_and(|c| c.proxy_url.is_some());
    let proxy = kubeconfig.clusters.iter().any(has_proxy);
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    if !proxy {
        // The environment's proxy is for the world outside; an API server is not there.
        config.proxy_url = None;
    }
    Ok(config)
}
