//! `gadgetry image import`: the gadget images of an archive or layout, into the store.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreArgs;
use super::moving::Bar;
use crate::cli::exit::{self, Failure};
use crate::cli::output;
use crate::image::ImageError;
use crate::image::archive::Archive;
use crate::image::layout::Files;
use crate::image::transfer::{IMPORT_LIMIT, Imported, Naming, import};

pub(super) const EXAMPLES: &str = "\
Examples:
  gadgetry image import images.tar
  ig image export trace_open:v0.40.0 images.tar && gadgetry image import images.tar
  curl -s https://example.com/images.tar.gz | gadgetry image import -o json -
  skopeo copy --all docker://quay.io/me/mine:v2 oci-archive:mine.tar && gadgetry image import --name quay.io/me/mine:v2 mine.tar";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tar archive (plain or gzip-compressed) or folder with an OCI image layout; - for standard input
    #[arg(value_name = "SRC_FILE")]
    file: PathBuf,
    /// List what was imported as JSON
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Repository, perhaps with a tag, of images whose full name the file does not tell
    #[arg(short = 't', long, value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// How the list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One line
    Json,
    /// Indented
    Jsonpretty,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let naming = args.name.as_deref().map(Naming::by).transpose().map_err(|error| Failure::Usage(exit::chain(&error)))?;
    let store = args.store.store()?;
    let files = open(&args.file).map_err(|error| Failure::RunTime(Box::new(error)))?;
    let mut bar = Bar::new("Importing");
    let result = import(&files, &store, &naming.unwrap_or_default(), &mut |done, total| bar.at(done, total));
    bar.end();
    let imported = result.map_err(|error| Failure::RunTime(format!("import {}: {}", args.file.display(), exit::chain(&error)).into()))?;
    for skipped in &imported.skipped {
        output::error(&format!("left out: {skipped}"));
    }
    output::write(text(&imported, args.output)?.as_bytes())
}

fn text(imported: &Imported, format: Option<Format>) -> Result<String, Failure> {
    let failed = |error: serde_json::Error| Failure::RunTime(Box::new(error));
    Ok(match format {
        Some(Format::Json) => serde_json::to_string(&imported.images).map_err(failed)? + "\n",
        Some(Format::Jsonpretty) => serde_json::to_string_pretty(&imported.images).map_err(failed)? + "\n",
        None => imported.images.iter().fold("Successfully imported images:\n".to_owned(), |mut text, name| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name}");
            text
        }),
    })
}

/// What is at a place; standard input and pipes are spooled, for an archive lists its images behind their blobs.
fn open(path: &Path) -> Result<Files<'static>, ImageError> {
    if path == Path::new("-") {
        let archive = Archive::of_stream(Path::new("standard input"), &mut io::stdin().lock(), IMPORT_LIMIT)?;
        return check(Files::Archive(archive), Path::new("standard input"));
    }
    let metadata = std::fs::metadata(path).map_err(|source| ImageError::Io { action: "open", path: path.to_owned(), source })?;
    let files = if metadata.is_dir() { Files::Folder(path.to_owned()) } else { Files::Archive(Archive::open_within(path, IMPORT_LIMIT)?) };
    check(files, path)
}

fn check(files: Files<'static>, path: &Path) -> Result<Files<'static>, ImageError> {
    files.check(path)?;
    Ok(files)
}
