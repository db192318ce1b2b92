//! What can go wrong between a gadget's source, its image and its bytes.

use std::path::PathBuf;

/// An image could not be built, found or trusted. Messages leave out their `source`.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No compiler that can target BPF was found.
    #[error("no clang found for compiling BPF (tried {tried}): install the Debian package clang-16 or set CLANG")]
    NoCompiler {
        /// The programs tried, separated by commas.
        tried: String,
    },
    /// The companion that removes DWARF was not found.
    #[error("no llvm-strip found for BPF objects (tried {tried}): install the Debian package llvm-16 or set LLVM_STRIP")]
    NoStrip {
        /// The programs tried, separated by commas.
        tried: String,
    },
    /// The compiler found fault with the source.
    #[error("{} does not compile:\n{messages}", source_file.display())]
    Compile {
        /// What was compiled.
        source_file: PathBuf,
        /// The compiler's own words.
        messages: String,
    },
    /// What `SOURCE_DATE_EPOCH` says is no time.
    #[error("SOURCE_DATE_EPOCH cannot be {text:?}: it is a number of seconds since 1970")]
    Date {
        /// What it says.
        text: String,
    },
    /// `build.yaml` says something that cannot be.
    #[error("{}:{line}:{column}: {message}", path.display())]
    BuildFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A gadget cannot be built as it is, or not here.
    #[error("cannot build {what}: {reason}")]
    Build {
        /// What was to be built, or from what.
        what: String,
        /// Why not, and what helps.
        reason: String,
    },
    /// The engine that runs builder images.
    #[error("cannot {action} on the Docker engine at {host}")]
    Engine {
        /// What was being done, as a verb and its object.
        action: String,
        /// Where the engine was looked for.
        host: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tool could not be started or a file not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A document could not be written or read.
    #[error("{what} is malformed")]
    Document {
        /// Which document.
        what: String,
        /// Why it was refused.
        #[source]
        source: oci_spec::OciSpecError,
    },
    /// `gadget.yaml` is not YAML, or not of the shape the builder needs.
    #[error("metadata {} is malformed", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A name that is no image reference.
    #[error("image reference {reference:?} is invalid: {reason}")]
    Reference {
        /// As it was given.
        reference: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No image of that name can be had.
    #[error("no gadget image {reference:?} found{}; looked among {}", did_you_mean(.suggestion), looked.join(", in "))]
    NotFound {
        /// The normalised reference.
        reference: String,
        /// Where it was looked for.
        looked: Vec<String>,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// An image that is not here and may not be pulled.
    #[error("{reference} would have to be pulled, and pulling is disallowed")]
    PullingDisallowed {
        /// The normalised reference.
        reference: String,
    },
    /// A registry does not give the image.
    #[error("cannot pull {reference}{}", did_you_mean(.suggestion))]
    Pull {
        /// The normalised reference.
        reference: String,
        /// An image of this machine that may have been meant.
        suggestion: Option<String>,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The rules for images do not let it run.
    #[error("gadget image {reference} may not run")]
    Refused {
        /// The normalised reference, or place on disk.
        reference: String,
        /// Which rule, and why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The rules themselves, or what is needed to reach registries, cannot be used.
    #[error("cannot prepare the access to images")]
    Access(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The image is another one than the one that was checked.
    #[error("{reference} is {found} now, not {wanted} as when it was checked")]
    Moved {
        /// The reference.
        reference: String,
        /// The digest that was checked.
        wanted: String,
        /// The digest it has now.
        found: String,
    },
    /// A layout lacks the image of that name.
    #[error("the image layout has no image {reference:?}")]
    Absent {
        /// The normalised reference.
        reference: String,
    },
    /// The store lacks the image of that name.
    #[error("the store has no image {reference:?}{}", did_you_mean(.suggestion))]
    NotStored {
        /// The normalised reference, or the beginning of a digest.
        reference: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// The beginning of a digest that several images have, or a digest with several names.
    #[error("{reference:?} means several images: {}", images.join(", "))]
    Several {
        /// As it was given.
        reference: String,
        /// Some of the images.
        images: Vec<String>,
    },
    /// Something in the store leads nobody knows where, so nobody knows what may go.
    #[error("nothing is collected: what {root} refers to cannot be read (remove that image, or pull it again)")]
    Unclear {
        /// The name or digest of the root.
        root: String,
        /// Why it cannot be followed.
        #[source]
        source: Box<ImageError>,
    },
    /// A layout with several images, or without the one that was chosen.
    #[error("{} {}; it has {}", path.display(), which(.wanted), images.join(", "))]
    Ambiguous {
        /// The layout.
        path: PathBuf,
        /// What was chosen.
        wanted: Option<String>,
        /// The images there are.
        images: Vec<String>,
    },
    /// A folder of which nobody can tell which object is meant.
    #[error("folder {} has several compiled objects where one is expected: {}", folder.display(), objects.join(", "))]
    Objects {
        /// The folder.
        folder: PathBuf,
        /// The objects' file names.
        objects: Vec<String>,
    },
    /// Something on disk that is no gadget.
    #[error("{} cannot be run: {reason}", path.display())]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive that is malformed or too large.
    #[error("archive {} is refused: {reason}", path.display())]
    Archive {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The image is not made for this machine.
    #[error("image {reference} has no manifest for architecture {architecture} (it has {available})")]
    NoManifest {
        /// The image.
        reference: String,
        /// What was looked for, in Go's spelling.
        architecture: String,
        /// What there is, separated by commas.
        available: String,
    },
    /// A blob is not what its descriptor says, or too large.
    #[error("blob {digest} ({what}) is refused: {reason}")]
    Blob {
        /// The digest in the descriptor.
        digest: String,
        /// What the blob was to be.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A reference resolved to something else than an image index.
    #[error("{reference} is not an image index but {media_type}")]
    NotAnIndex {
        /// The image.
        reference: String,
        /// What it is.
        media_type: String,
    },
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(", did you mean {name:?}?")).unwrap_or_default()
}

fn which(wanted: &Option<String>) -> String {
    match wanted {
        Some(wanted) => format!("does not have exactly one image {wanted:?}"),
        None => "has several images, append :NAME or :TAG to choose one".to_owned(),
    }
}
