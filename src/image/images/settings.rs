//! How images are found, pulled and checked.

use std::path::PathBuf;

use crate::image::reference::Names;
use crate::image::registry;
use crate::image::trust::{Policy, TrustError, cosign, notation};

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// Each time, whatever is here.
    Always,
    /// When it is not here.
    #[default]
    Missing,
    /// Never.
    Never,
}

/// How images are found, pulled and checked. Equality tells whether any of that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The data directory that was given; none: the usual one.
    pub data_dir: Option<PathBuf>,
    /// When images are pulled, unless it is said for one.
    pub pull: Pull,
    /// How names are completed.
    pub names: Names,
    /// How registries are spoken to.
    pub registries: registry::Options,
    /// Whether images must be signed. Those built into the program need no signature.
    pub verify: bool,
    /// Public keys, PEM; empty: that of upstream's project.
    pub public_keys: Vec<String>,
    /// Certificates for notation, PEM.
    pub notation_certificates: Vec<String>,
    /// Trust policy for notation, JSON.
    pub notation_policy: Option<String>,
    /// The allowed gadgets; empty: all.
    pub allowed: Vec<String>,
    /// Whether a needed pull is an error.
    pub disallow_pulling: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            data_dir: None,
            pull: Pull::default(),
            names: Names::default(),
            registries: registry::Options::default(),
            verify: true,
            public_keys: Vec::new(),
            notation_certificates: Vec::new(),
            notation_policy: None,
            allowed: Vec::new(),
            disallow_pulling: false,
        }
    }
}

impl Settings {
    /// The rules.
    ///
    /// # Errors
    /// When a key, certificate or policy document cannot be used.
    pub fn policy(&self) -> Result<Policy, TrustError> {
        let mut policy = Policy { required: self.verify, allowed: self.allowed.clone(), names: self.names.clone(), ..Policy::default() };
        if !self.public_keys.is_empty() {
            policy.keys = self.public_keys.iter().map(|text| cosign::PublicKey::parse(text)).collect::<Result<_, _>>()?;
        }
        policy.notation = match (&self.notation_policy, self.notation_certificates.is_empty()) {
            (Some(document), false) => Some(notation::Trust::new(&self.notation_certificates, document)?),
            (None, true) => None,
            _ => {
                let reason = "certificates and a trust policy belong together".to_owned();
                return Err(TrustError::Material { what: "notation".to_owned(), reason });
            }
        };
        Ok(policy)
    }
}
