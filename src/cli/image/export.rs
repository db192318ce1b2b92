//! `gadgetry image export`: images of the store, and embedded ones, in one tar archive.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::StoreArgs;
use super::moving::Bar;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::image::transfer::{Export, TransferError, write_file};

pub(super) const EXAMPLES: &str = "\
Examples:
  gadgetry image export trace_open images.tar
  gadgetry image export trace_open trace_exec:v0.40.0 quay.io/me/mine:v2 images.tar
  gadgetry image export trace_open - | ssh host gadgetry image import -
  gadgetry run ./images.tar:trace_open";

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true, override_usage = "gadgetry image export [OPTIONS] <SRC_IMAGE>... <DST_FILE>")]
pub(super) struct Args {
    /// Images by name or sha256:..., from the store or else the embedded ones; their signatures go with them
    // Not required as far as clap knows, which takes a single word as the file and would miss an image.
    #[arg(value_name = "SRC_IMAGE", num_args = 1..)]
    images: Vec<String>,
    /// The file, replaced if it is there; - for standard output
    #[arg(value_name = "DST_FILE", required = true)]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.images.is_empty() {
        return Err(Failure::Usage("DST_FILE is missing, the file that is written; - is standard output".to_owned()));
    }
    let to_stdout = args.file == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        return Err(Failure::Usage("an archive is nothing for a terminal; name a file or redirect the output".to_owned()));
    }
    let failed = |error: TransferError| Failure::RunTime(Box::new(error));
    let mut export = Export::of(&args.store.stores()).map_err(failed)?;
    args.images.iter().try_for_each(|image| export.add(image)).map_err(failed)?;
    let mut bar = Bar::new("Exporting");
    let mut fill = |out: &mut dyn Write| export.write(out, &mut |done, total| bar.at(done, total)).map(drop);
    let done = if to_stdout { fill(&mut io::BufWriter::new(io::stdout().lock())) } else { write_file(&args.file, fill) };
    bar.end();
    done.map_err(failed)?;
    match to_stdout {
        true => output::error("Successfully exported images to standard output"),
        false => output::write(format!("Successfully exported images to {}\n", args.file.display()).as_bytes())?,
    }
    Ok(())
}
