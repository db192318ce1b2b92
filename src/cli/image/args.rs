//! Flags that several commands about images have.

use std::path::PathBuf;

use crate::cli::exit::{self, Failure};
use crate::cli::value::{self, Boolean};
use crate::gadget::Annotation;
use crate::image::registry::Options;
use crate::image::store::Store;
use crate::image::trust::Policy;
use crate::image::{Pull, Settings, Stores, data_dir};

/// Where the images of this machine are.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct StoreArgs {
    /// Data directory, whose oci-store has the images [default: $GADGETRY_DATA, else /var/lib/gadgetry, without root ~/.gadgetry]
    // The variable is read where the directory is made use of: clap would show the flag as one that was given in each line about usage.
    #[arg(long, value_name = "DIR", help_heading = "Image")]
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
    /// As settings; everything else in them is as usual.
    fn settings(&self) -> Settings {
        Settings {
            public_keys: self.public_keys.clone(),
            notation_certificates: self.notation_certificates.clone(),
            notation_policy: self.notation_policy_document.clone(),
            ..Settings::default()
        }
    }

    /// As a policy that asks for a signature.
    pub(in crate::cli) fn policy(&self) -> Result<Policy, Failure> {
        self.settings().policy().map_err(|error| Failure::Usage(exit::chain(&error)))
    }
}

/// How a gadget's image is found, pulled, checked and opened. Whether it must be signed is each command's own flag: the defaults differ.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct ImageArgs {
    /// Sets annotations over the gadget's own: SOURCE:KEY=VALUE or SOURCE.FIELD:KEY=VALUE, separated by commas
    #[arg(long, value_name = "ANNOTATIONS", value_parser = value::annotations, help_heading = "Output")]
    annotate: Vec<Vec<Annotation>>,
    #[command(flatten)]
    store: StoreArgs,
    /// When to pull the image; what is built in only with always [default: missing]
    #[arg(long, value_name = "WHEN", value_parser = value::pull(), help_heading = "Image")]
    pub pull: Option<Pull>,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Gadgets that may be opened: names, NAME@sha256:..., or the beginning of names, ending in *; all when not given
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = "Image")]
    allowed_gadgets: Vec<String>,
    /// Makes a pull that would be needed an error
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = value::boolean, hide_default_value = true, hide_possible_values = true, value_name = "BOOL", help_heading = "Image")]
    disallow_pulling: Boolean,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Without effect, as upstream
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = value::boolean, hide = true)]
    validate_metadata: Option<Boolean>,
}

impl ImageArgs {
    /// As settings.
    pub(in crate::cli) fn settings(&self, verify: bool) -> Settings {
        Settings {
            data_dir: self.store.data_dir.clone(),
            registries: self.registry.options(),
            verify,
            allowed: self.allowed_gadgets.clone(),
            disallow_pulling: self.disallow_pulling,
            ..self.policy.settings()
        }
    }

    /// The annotations that are set, in the order given.
    pub(in crate::cli) fn annotations(&self) -> Vec<Annotation> {
        self.annotate.concat()
    }
}
