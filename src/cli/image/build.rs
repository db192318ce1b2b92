//! `gadgetry image build`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::StoreArgs;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::container::runtime::docker;
use crate::gadget::authoring::{self, Invalid};
use crate::image::build::{self, BUILDER_IMAGE, BuildFile, Builder, Built, Container, Job, Pull, Scratch, btfgen, headers};
use crate::image::{GadgetImage, ImageError, Reference, pack};
use crate::kernel::terminal;

pub(super) const EXAMPLES: &str = "\
The folder has program.bpf.c, gadget.yaml (written from the program where it is missing) and perhaps build.yaml:
  ebpfsource: program.bpf.c        # the eBPF program
  metadata: gadget.yaml
  wasm: module.wasm                # or its source, .go or .rs
  cflags: -DLIMIT=16 -Iinclude     # text or a list

Without --local and --builder-image, the clang of this machine is used where there is one (CLANG and LLVM_STRIP name others), else
the builder image. The same input gives the same digest: an image's time is SOURCE_DATE_EPOCH, or else 1970.

Examples:
  gadgetry image build -t registry.example.com/mygadget:v1 .
  gadgetry image build --local -t mygadget -o out ./mygadget
  gadgetry image build --update-metadata ./mygadget";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gadget's folder
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What is built from what [default: build.yaml in the gadget's folder, if there is one]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Build with the tools of this machine
    #[arg(short, long)]
    local: bool,
    /// Folder for the files that are built: amd64.bpf.o, arm64.bpf.o, program.wasm
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Name of the image; without one it is known by its digest
    #[arg(short, long, value_name = "NAME")]
    tag: Option<String>,
    /// Build in a container of this image, which has clang and llvm-strip (or names them in CLANG and LLVM_STRIP)
    #[arg(long, value_name = "IMAGE", help = format!("Build in a container of this image, which has clang and llvm-strip [default: {BUILDER_IMAGE}]"))]
    builder_image: Option<String>,
    /// When to pull the builder image
    #[arg(long, value_name = "WHEN", default_value = "always")]
    builder_image_pull: When,
    /// Docker Engine API unix socket, for the builder image [default: $DOCKER_HOST, else /run/docker.sock]
    #[arg(long, value_name = "SOCKET")]
    docker_socketpath: Option<PathBuf>,
    /// Add to the metadata what the program has and it does not mention
    #[arg(long)]
    update_metadata: bool,
    /// Check the metadata against the program
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    validate_metadata: bool,
    /// Add the types of kernels that have none of their own
    #[arg(long)]
    btfgen: bool,
    /// Folder with the types of such kernels, as BTFHub has them
    #[arg(long, value_name = "DIR")]
    btfhub_archive: Option<PathBuf>,
    /// Architectures to build for [default: amd64,arm64]
    #[arg(long, value_name = "ARCH,...", value_delimiter = ',')]
    arch: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Taken as ig does; a build reads nothing from registries
    #[arg(long, value_name = "FILE", hide = true)]
    authfile: Option<PathBuf>,
    #[arg(long, value_name = "HOST,...", hide = true)]
    insecure_registries: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum When {
    Always,
    Missing,
    Never,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.local && args.builder_image.is_some() {
        return Err(Failure::Usage("--local and --builder-image cannot be used at the same time".to_owned()));
    }
    if args.btfgen && args.btfhub_archive.is_none() {
        return Err(Failure::Usage("--btfgen requires --btfhub-archive".to_owned()));
    }
    let name = args.tag.as_deref().map(Reference::parse).transpose().map_err(failed)?;
    if name.as_ref().is_some_and(|name| name.digest.is_some()) {
        return Err(Failure::Usage("--tag cannot have a digest: that is what the build finds out".to_owned()));
    }
    let store = args.store.store()?;
    let scratch = Scratch::new().map_err(failed)?;
    let job = job(args, &scratch)?;
    let created = pack::created().map_err(failed)?;
    let builder = builder(args, &job);
    let built = build::build(&job, &builder, &output::error).map_err(failed)?;
    if !built.warnings.is_empty() {
        output::error(&built.warnings);
    }
    let types = types(args, &built, &scratch)?;
    let metadata = metadata(args, &job, &built)?;
    let recipe = pack::Recipe {
        reference: &name.as_ref().map(ToString::to_string).unwrap_or_default(),
        metadata: &metadata,
        metadata_path: &job.shown.join(&job.file.metadata),
        objects: &built.objects,
        wasm: built.wasm.as_deref(),
        version: "",
        builder: env!("CARGO_PKG_VERSION"),
        created,
    };
    let files = pack::pack_with_types(&recipe, &types).map_err(failed)?;
    let digest = build::keep(&files, name.as_ref(), &store).map_err(failed)?;
    leave_files(args, &built, &types)?;
    let named = name.map(|name| format!("{name}@{digest}")).unwrap_or_else(|| digest.clone());
    output::write(format!("Successfully built {named}\n").as_bytes())
}

fn failed(error: ImageError) -> Failure {
    Failure::RunTime(Box::new(error))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| failed(ImageError::Io { action, path, source })
}

fn job(args: &Args, scratch: &Scratch) -> Result<Job, Failure> {
    let folder = args.path.canonicalize().map_err(io("read", &args.path))?;
    let file = BuildFile::read(&folder, args.file.as_deref()).map_err(|error| failed(shown_as(error, &folder, &args.path)))?;
    if file.ebpf_source.is_none() && file.wasm.is_none() && !folder.join(&file.metadata).exists() {
        let reason = "it has neither an eBPF program (program.bpf.c) nor a WASM module nor metadata (gadget.yaml)";
        return Err(failed(ImageError::Build { what: args.path.display().to_string(), reason: reason.to_owned() }));
    }
    let headers = headers::unpacked(&args.store.data()).and_then(|path| {
        let absolute = std::path::absolute(&path);
        absolute.map_err(|source| ImageError::Io { action: "find", path, source })
    });
    let headers = headers.map_err(failed)?;
    let known = build::architectures(&headers);
    if let Some(unknown) = args.arch.iter().find(|wanted| !known.contains(wanted)) {
        return Err(Failure::Usage(format!("--arch cannot be {unknown:?}: there are {}", known.join(", "))));
    }
    let architectures = if args.arch.is_empty() { known } else { args.arch.clone() };
    let shown = args.path.clone();
    let colours = terminal::takes_colours(std::io::stderr().as_fd());
    Ok(Job { folder, shown, file, architectures, headers, results: scratch.path().to_owned(), colours })
}

/// The place of a fault in the words of the user.
fn shown_as(error: ImageError, folder: &Path, shown: &Path) -> ImageError {
    match error {
        ImageError::BuildFile { path, line, column, message } => {
            let path = path.strip_prefix(folder).map(|rest| shown.join(rest)).unwrap_or(path);
            ImageError::BuildFile { path, line, column, message }
        }
        other => other,
    }
}

fn builder(args: &Args, job: &Job) -> Builder {
    if args.local || args.builder_image.is_none() && (job.file.ebpf_source.is_none() || build::is_equipped()) {
        return Builder::Local;
    }
    let image = args.builder_image.clone().unwrap_or_else(|| {
        output::error(&format!("There is no clang here, building in a container of {BUILDER_IMAGE}"));
        BUILDER_IMAGE.to_owned()
    });
    let variable = || std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let host = match &args.docker_socketpath {
        Some(socket) => format!("unix://{}", socket.display()),
        None => variable().unwrap_or_else(|| format!("unix://{}", docker::socket_path(None).display())),
    };
    let pull = match args.builder_image_pull {
        When::Always => Pull::Always,
        When::Missing => Pull::Missing,
        When::Never => Pull::Never,
    };
    Builder::Container(Container { host, image, pull })
}

/// The types of kernels that have none of their own, for each object.
fn types(args: &Args, built: &Built, scratch: &Scratch) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let Some(hub) = args.btfhub_archive.as_deref().filter(|_| args.btfgen) else { return Ok(BTreeMap::new()) };
    output::error("btfgen is enabled, building will take a while...");
    let objects = built.objects.iter().filter(|(_, object)| !object.is_empty());
    let all = objects.map(|(architecture, object)| {
        btfgen::archive(object, architecture, hub, scratch.path()).map(|types| (architecture.clone(), types))
    });
    all.collect::<Result<_, _>>().map_err(failed)
}

/// The metadata as it goes into the image: made or completed first where that is asked for, then checked.
fn metadata(args: &Args, job: &Job, built: &Built) -> Result<Vec<u8>, Failure> {
    let (path, shown) = (job.folder.join(&job.file.metadata), job.shown.join(&job.file.metadata));
    let (mut metadata, is_new) = match std::fs::read(&path) {
        Ok(metadata) => (metadata, false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Vec::new(), true),
        Err(error) => return Err(io("read", &shown)(error)),
    };
    let image = |object: &[u8], metadata: &[u8]| GadgetImage {
        reference: args.path.display().to_string(),
        metadata: metadata.to_owned(),
        ebpf: Some(object.to_owned()).filter(|object| !object.is_empty()),
        wasm: built.wasm.clone(),
        ..GadgetImage::default()
    };
    if is_new || args.update_metadata {
        let name = job.folder.file_name().map_or_else(|| "gadget".into(), |name| name.to_string_lossy());
        let object = built.objects.values().next().map(Vec::as_slice).unwrap_or_default();
        let updated = authoring::update(&image(object, &metadata), &name);
        let updated = updated.map_err(|reason| failed(ImageError::Build { what: shown.display().to_string(), reason }))?;
        if is_new || !updated.added.is_empty() {
            let new = path.with_extension("yaml.new");
            std::fs::write(&new, &updated.text).and_then(|()| std::fs::rename(&new, &path)).map_err(io("write", &shown))?;
            let what = if is_new { "Wrote" } else { "Added to" };
            output::error(&format!("{what} {}: {}", shown.display(), updated.added.join(", ")));
            metadata = updated.text.into_bytes();
        }
    }
    if args.validate_metadata {
        validate(&shown, built.objects.values().map(|object| image(object, &metadata)))?;
    }
    Ok(metadata)
}

fn validate(shown: &Path, images: impl Iterator<Item = GadgetImage>) -> Result<(), Failure> {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for image in images {
        let report = authoring::validate(&image, shown);
        // What holds for one architecture holds for the other, as a rule.
        errors.extend(report.errors.into_iter().filter(|new| !errors.contains(new)).collect::<Vec<_>>());
        warnings.extend(report.warnings.into_iter().filter(|new| !warnings.contains(new)).collect::<Vec<_>>());
    }
    let mut text = String::new();
    for warning in &warnings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Warning: {warning}");
    }
    if !text.is_empty() {
        output::error(text.trim_end());
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::RunTime(Box::new(Invalid { errors }))) }
}

/// The files that were built, where they were asked for.
fn leave_files(args: &Args, built: &Built, types: &BTreeMap<String, Vec<u8>>) -> Result<(), Failure> {
    let Some(folder) = &args.output else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(io("create", folder))?;
    let objects = built.objects.iter().filter(|(_, object)| !object.is_empty());
    let mut files: Vec<(String, &[u8])> = objects.map(|(name, object)| (format!("{name}.bpf.o"), object.as_slice())).collect();
    files.extend(built.wasm.as_deref().map(|module| ("program.wasm".to_owned(), module)));
    let machine = |name: &str| if name == "amd64" { "x86_64".to_owned() } else { name.to_owned() };
    files.extend(types.iter().map(|(name, types)| (format!("btfs-{}.tar.gz", machine(name)), types.as_slice())));
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(io("write", &path))?;
    }
    Ok(())
}
