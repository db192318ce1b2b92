//! How it stands with the API server, for the health page, the metrics and the log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::error::KubernetesError;
use crate::kernel::clock;

/// Most problems kept; there is one for each kind of object that may be refused.
const MAX_PROBLEMS: usize = 16;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct KubernetesStatus {
    /// Where the API server is; empty before that is known.
    pub url: String,
    /// Whether the pods of this node are told.
    #[serde(flatten)]
    pub state: KubernetesState,
    /// Since when, in seconds since the Unix epoch.
    pub since_unix_seconds: u64,
    /// What else is missing, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Whether the API server tells of the pods of this node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "reason")]
pub enum KubernetesState {
    /// The first attempt has not ended yet.
    #[default]
    Connecting,
    /// It does.
    Connected,
    /// It does not, for the reason given. What is known is kept; tried again in the background.
    Waiting(String),
}

impl fmt::Display for KubernetesStatus {
    /// Where it is, and that it is waited for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = if self.url.is_empty() { "API server" } else { &self.url };
        match &self.state {
            KubernetesState::Connecting => write!(f, "{url} (connecting)"),
            KubernetesState::Connected => f.write_str(url),
            KubernetesState::Waiting(why) => write!(f, "{url} (waiting for it: {why})"),
        }
    }
}

/// Keeps the status and says each change of it once.
#[derive(Default)]
pub(super) struct Reporter(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    status: KubernetesStatus,
    problems: BTreeMap<&'static str, String>,
}

impl Reporter {
    pub fn status(&self) -> KubernetesStatus {
        let kept = self.lock();
        KubernetesStatus { problems: kept.problems.values().cloned().collect(), ..kept.status.clone() }
    }

    pub fn url(&self, url: &str) {
        self.lock().status.url = url.to_owned();
    }

    pub fn connected(&self) {
        let mut kept = self.lock();
        if kept.status.state != KubernetesState::Connected {
            tracing::info!(url = kept.status.url, "following the pods of this node");
            kept.enter(KubernetesState::Connected);
        }
    }

    pub fn waiting(&self, error: &KubernetesError) {
        let reason = error.full();
        let mut kept = self.lock();
        match &mut kept.status.state {
            KubernetesState::Waiting(before) => *before = reason,
            _ => {
                let url = Some(&kept.status.url).filter(|url| !url.is_empty());
                tracing::warn!(url, error = reason, "the API server does not tell of pods, what is known of them is kept");
                kept.enter(KubernetesState::Waiting(reason));
            }
        }
    }

    /// Notes that there is something that it does not tell.
    pub fn problem(&self, what: &'static str, error: &KubernetesError) {
        let reason = error.full();
        let mut kept = self.lock();
        let fresh = !kept.problems.contains_key(what);
        if fresh && kept.problems.len() >= MAX_PROBLEMS {
            return;
        }
        // That it cannot be reached at all is said already.
        if fresh && error.is_forbidden() {
            tracing::warn!(error = reason, "the API server does not tell of {what}, names are less complete");
        }
        kept.problems.insert(what, reason);
    }

    /// Notes that it tells of that again.
    pub fn solved(&self, what: &'static str) {
        self.lock().problems.remove(what);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn enter(&mut self, state: KubernetesState) {
        self.status.state = state;
        self.status.since_unix_seconds = clock::unix_now() / 1_000_000_000;
    }
}
