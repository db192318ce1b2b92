//! `gadgetry image tag`.

use super::StoreArgs;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::image::layout::{Files, name_of};
use crate::image::store::{Store, set_name};
use crate::image::{ImageError, Reference, embedded_layout, embedded_names};
use oci_spec::image::Descriptor;

pub(super) const EXAMPLES: &str = "An image that is built into the program, or that only ig's store has, is copied into the store.\n\nExamples:\n  gadgetry image tag trace_open registry.example.com/gadgets/trace_open:v1\n  gadgetry image tag sha256:3b1f7a90c2de localhost:5000/mine";

/// `sha256:` and as many digits of a digest as a list shows.
const SHORTEST: usize = 19;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image: a name, or sha256: and the digest or its beginning
    #[arg(value_name = "SRC_IMAGE")]
    source: String,
    /// Its further name
    #[arg(value_name = "DST_IMAGE")]
    target: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let failed = |error: ImageError| Failure::RunTime(error.into());
    let target = Reference::parse(&args.target).map_err(failed)?;
    if target.digest.is_some() {
        return Err(Failure::Usage(format!("{target} has a digest: an image cannot be given one")));
    }
    let store = args.store.store()?;
    let digest = match store.resolve(&args.source) {
        Ok(root) => {
            let digest = root.digest().to_string();
            store.tag(name_of(&root).unwrap_or(&digest), &target.to_string()).map_err(failed)?;
            digest
        }
        Err(error @ ImageError::NotStored { .. }) => match elsewhere(args) {
            Some((files, root)) => copy(&store, &files, root, &target).map_err(failed)?,
            None => return Err(failed(with_embedded(error, &args.source))),
        },
        Err(error) => return Err(failed(error)),
    };
    output::write(format!("Successfully tagged with {target}@{digest}\n").as_bytes())
}

/// The image in the program or in a store that is only read.
fn elsewhere(args: &Args) -> Option<(Files<'static>, Descriptor)> {
    let roots = |files: &Files<'static>| files.roots().unwrap_or_default();
    let embedded = embedded_names().into_iter().filter_map(embedded_layout);
    if args.source.starts_with("sha256:") {
        let is_it = |root: &Descriptor| args.source.len() >= SHORTEST && root.digest().to_string().starts_with(&args.source);
        return embedded.into_iter().find_map(|files| roots(&files).into_iter().find(is_it).map(|root| (files, root)));
    }
    let wanted = Reference::parse(&args.source).ok()?;
    let is_it = |root: &Descriptor| match &wanted.digest {
        Some(digest) => root.digest().to_string() == *digest,
        None => name_of(root) == Some(&wanted.to_string()),
    };
    let found = embedded.into_iter().find_map(|files| roots(&files).into_iter().find(is_it).map(|root| (files, root)));
    found.or_else(|| args.store.stores().root(&wanted))
}

fn copy(store: &Store, files: &Files<'_>, mut root: Descriptor, target: &Reference) -> Result<String, ImageError> {
    let (staging, digest) = (store.stage()?, root.digest().to_string());
    staging.copy(files, &root)?;
    set_name(&mut root, &target.to_string());
    staging.commit(vec![root])?;
    Ok(digest)
}

/// Embedded gadgets may have been meant, too.
fn with_embedded(error: ImageError, text: &str) -> ImageError {
    match error {
        ImageError::NotStored { reference, suggestion: None } => {
            let suggestion = crate::component::nearest(text, embedded_names()).map(str::to_owned);
            ImageError::NotStored { reference, suggestion }
        }
        error => error,
    }
}
