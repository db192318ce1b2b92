//! Where an image is looked for: mirrors in their order, then the registry that its name says.

use super::Options;
use crate::image::reference::Reference;

/// A repository at a registry or at a mirror of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `host[:port]`, as users write it.
    pub host: String,
    /// Path there.
    pub repository: String,
    /// Without TLS, and without credentials.
    pub plain: bool,
    /// Whether it stands in for the registry of the name.
    pub mirror: bool,
}

impl Place {
    /// The host to connect to: Docker's registry answers under another name than its images have.
    pub fn address(&self) -> &str {
        if self.host == "docker.io" { "registry-1.docker.io" } else { &self.host }
    }

    /// What its URLs begin with.
    pub fn base(&self) -> String {
        format!("{}://{}", if self.plain { "http" } else { "https" }, self.address())
    }
}

/// All places to pull from; the registry itself is the last.
pub(super) fn sources(options: &Options, reference: &Reference) -> Vec<Place> {
    let mirrors = options.mirrors.get(&reference.domain).into_iter().flatten().map(|mirror| {
        let (host, prefix) = mirror.trim_end_matches('/').split_once('/').unwrap_or((mirror.trim_end_matches('/'), ""));
        let slash = if prefix.is_empty() { "" } else { "/" };
        Place {
            host: host.to_owned(),
            repository: format!("{prefix}{slash}{}", reference.repository),
            plain: is_insecure(options, host),
            mirror: true,
        }
    });
    mirrors.chain([origin(options, reference)]).collect()
}

/// The registry itself.
pub(super) fn origin(options: &Options, reference: &Reference) -> Place {
    Place {
        host: reference.domain.clone(),
        repository: reference.repository.clone(),
        plain: is_insecure(options, &reference.domain),
        mirror: false,
    }
}

/// Named with its port, or without one for all ports.
fn is_insecure(options: &Options, host: &str) -> bool {
    let bare = host.split_once(':').map_or(host, |(name, _)| name);
    options.insecure.iter().any(|known| known == host || known == bare)
}
