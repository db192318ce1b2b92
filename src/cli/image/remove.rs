//! `gadgetry image remove`.

use super::StoreArgs;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::image::layout::name_of;
use crate::image::store::Store;
use crate::image::{ImageError, Reference, embedded_layout};

pub(super) const EXAMPLES: &str = "An image that has other names only loses the one that is given.\n\nExamples:\n  gadgetry image remove registry.example.com/gadgets/trace_open:v1\n  gadgetry image remove trace_open:v0.40.0 sha256:3b1f7a90c2de";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Images: names, or sha256: and the digest or its beginning
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let store = args.store.store()?;
    for image in &args.images {
        remove(&store, image).map_err(|error| match is_embedded(&error, image) {
            true => Failure::RunTime(format!("image {image:?} is built into the program and cannot be removed").into()),
            false => Failure::RunTime(error.into()),
        })?;
        output::write(format!("Successfully removed {image}\n").as_bytes())?;
    }
    Ok(())
}

fn remove(store: &Store, image: &str) -> Result<(), ImageError> {
    let root = store.resolve(image)?;
    let digest = root.digest().to_string();
    if image.starts_with("sha256:") {
        let roots = store.roots()?;
        let names: Vec<String> =
            roots.iter().filter(|other| other.digest() == root.digest()).filter_map(name_of).map(str::to_owned).collect();
        if names.len() > 1 {
            return Err(ImageError::Several { reference: image.to_owned(), images: names });
        }
    }
    store.remove(name_of(&root).unwrap_or(&digest)).map(|_| ())
}

fn is_embedded(error: &ImageError, image: &str) -> bool {
    let parsed = Reference::parse(image).ok();
    let gadget = parsed.as_ref().and_then(Reference::gadget_name);
    matches!(error, ImageError::NotStored { .. }) && gadget.is_some_and(|gadget| embedded_layout(gadget).is_some())
}
