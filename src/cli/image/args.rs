//! Flags that several commands about images have.

use std::path::PathBuf;

use crate::cli::exit::{self, Failure};
use crate::cli::value;
use crate::image::registry::Options;
use crate::image::store::Store;
use crate::image::trust::Policy;
use crate::image::{DATA_VARIABLE, Settings, Stores, data_dir};

/// Where the images of this machine are.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct StoreArgs {
    /// Data directory, whose oci-store has the images [default: /var/lib/gadgetry, without root ~/.gadgetry]
    #[arg(long, value_name = "DIR", env = DATA_VARIABLE, hide_env_values = true, help_heading = "Image")]
    pub data_dir: Option<PathBuf>,
}

impl StoreArgs {
    /// The stores that are read.
    pub(in crate::cli) fn stores(&self) -> Stores {
        Stores::of_process(self.data_dir.as_deref())
    }

    /// The store that is written.
    pub(in crate::cli) fn store(&self) -> Result<Store, Failure> {
        self.stores().own().ok_or_else(|| Failure::Usage("there is no HOME to keep images in; name a directory with --data-dir".to_owned()))
    }

    /// The data directory.
    pub(in crate::cli) fn data(&self) -> PathBuf {
        data_dir(self.data_dir.as_deref()).unwrap_or_default()
    }
}

/// How registries are spoken to.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct RegistryArgs {
    /// File with credentials [default: $REGISTRY_AUTH_FILE, else config.json in the data directory, else Docker's]
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    pub authfile: Option<PathBuf>,
    /// Registries that are spoken to without TLS
    #[arg(long, value_name = "HOST,...", value_delimiter = ',', help_heading = "Registry")]
    pub insecure_registries: Vec<String>,
    /// Folder with certificates: *.crt (authorities), *.cert and *.key (our own), or folders HOST[:PORT] of them
    #[arg(long, value_name = "DIR", help_heading = "Registry")]
    pub cert_dir: Option<PathBuf>,
}

impl RegistryArgs {
    /// As options.
    pub(in crate::cli) fn options(&self) -> Options {
        Options {
            insecure: self.insecure_registries.clone(),
            authfile: self.authfile.clone(),
            cert_dir: self.cert_dir.clone(),
            ..Options::default()
        }
    }
}

/// What is asked of an image.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct PolicyArgs {
    /// Public keys of which one must have signed (cosign): PEM, or @FILE [default: that of the Inspektor Gadget project]
    #[arg(long, value_name = "KEY,...", value_delimiter = ',', value_parser = value::text, help_heading = "Image")]
    pub public_keys: Vec<String>,
    /// Certificates for notation: PEM, or @FILE
    #[arg(long, value_name = "CERTIFICATE,...", value_delimiter = ',', value_parser = value::text, help_heading = "Image")]
    pub notation_certificates: Vec<String>,
    /// Trust policy for notation: JSON, or @FILE
    #[arg(long, value_name = "POLICY", value_parser = value::text, help_heading = "Image")]
    pub notation_policy_document: Option<String>,
}

impl PolicyArgs {
    /// As settings.
    pub(in crate::cli) fn settings(&self, store: &StoreArgs, registry: &RegistryArgs) -> Settings {
        Settings {
            data_dir: store.data_dir.clone(),
            registries: registry.options(),
            public_keys: self.public_keys.clone(),
            notation_certificates: self.notation_certificates.clone(),
            notation_policy: self.notation_policy_document.clone(),
            ..Settings::default()
        }
    }

    /// As a policy.
    pub(in crate::cli) fn policy(&self, required: bool, allowed: &[String]) -> Result<Policy, Failure> {
        let settings = Settings {
            verify: required,
            public_keys: self.public_keys.clone(),
            notation_certificates: self.notation_certificates.clone(),
            notation_policy: self.notation_policy_document.clone(),
            allowed: allowed.to_vec(),
            ..Settings::default()
        };
        settings.policy().map_err(|error| Failure::Usage(exit::chain(&error)))
    }
}
