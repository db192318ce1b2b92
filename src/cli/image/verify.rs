//! `gadgetry image verify`.

use super::{PolicyArgs, RegistryArgs, StoreArgs};
use crate::cli::exit::{self, Failure};
use crate::cli::output;
use crate::image::reference::Reference;
use crate::image::registry::{Options, Registry};
use crate::image::trust::{Policy, Subject, TrustError, Verified, signatures_of};
use crate::image::{ImageError, Stores};

pub(super) const EXAMPLES: &str = "\
Examples:
  # By the key of the Inspektor Gadget project
  gadgetry image verify trace_open:v0.44.0
  # By a key of one's own
  gadgetry image verify --public-keys @cosign.pub registry.example.com/gadgets/trace_open:1
  # By certificates (notation), an image on disk
  gadgetry image verify --notation-certificates @ca.crt --notation-policy-document @trustpolicy.json ./layout:1";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Image in the store (a name, or sha256: and the digest or its beginning), or OCI image layout on disk (./FOLDER, ./FILE.tar, with :NAME for one of several images)
    image: String,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let policy = args.policy.policy()?;
    output::write(format!("Verifying image: {}\n", args.image).as_bytes())?;
    let verified = verify(args, &policy)?;
    output::write(b"Image verified successfully!\n")?;
    output::error(&format!("Signed by {}", verified.by));
    Ok(())
}

fn verify(args: &Args, policy: &Policy) -> Result<Verified, Failure> {
    let stores = args.store.stores();
    let image = whole(&args.image, &stores).map_err(failure)?;
    let (subject, found) = signatures_of(&image, &stores).map_err(|error| absent(&image, error))?;
    let refused = match policy.verify(&subject, &found) {
        Ok(verified) => return Ok(verified),
        Err(error @ (TrustError::Unsigned { .. } | TrustError::Unverified { .. })) if !is_path(&image) => error,
        Err(error) => return Err(failure(error)),
    };
    // There may be others where the image came from.
    if let Err(error) = pull(args, &subject) {
        return Err(Failure::RunTime(format!("{}; asking the registry for signatures: {}", exit::chain(&refused), error).into()));
    }
    let (subject, found) = signatures_of(&image, &stores).map_err(failure)?;
    policy.verify(&subject, &found).map_err(failure)
}

fn pull(args: &Args, subject: &Subject) -> Result<(), String> {
    let reference = Reference::parse(&subject.reference).map_err(|error| exit::chain(&error))?;
    let store = args.store.store().map_err(|_| "there is no store to keep them in".to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let registry = Registry::new(Options { data: args.store.data(), ..args.registry.options() }).map_err(|error| exit::chain(&error))?;
    let pulled = runtime.block_on(registry.pull_signatures(&reference, &subject.digest, &store));
    pulled.map(|_| ()).map_err(|error| exit::chain(&error))
}

/// The whole digest where only its beginning was given; anything else as it is.
fn whole(image: &str, stores: &Stores) -> Result<String, ImageError> {
    if !image.starts_with("sha256:") {
        return Ok(image.to_owned());
    }
    for store in stores.all() {
        match store.resolve(image) {
            Ok(root) => return Ok(root.digest().to_string()),
            Err(error @ ImageError::Several { .. }) => return Err(error),
            // A store that cannot be read is left out, as everywhere.
            Err(_) => {}
        }
    }
    Ok(image.to_owned())
}

fn is_path(image: &str) -> bool {
    image.starts_with(['/', '.'])
}

/// Why an image could not be found, which for an embedded one is no fault.
pub(super) fn absent(image: &str, error: ImageError) -> Failure {
    let embedded =
        Reference::parse(image).ok().filter(|name| name.gadget_name().is_some_and(|g| crate::image::embedded_names().contains(&g)));
    match embedded {
        Some(name) => {
            let text =
                format!("{name} is built into this program and has no signature of its own; pull it, or tag it with another name, first");
            Failure::RunTime(text.into())
        }
        None => failure(error),
    }
}

fn failure(error: impl std::error::Error + 'static) -> Failure {
    Failure::RunTime(Box::new(error))
}
