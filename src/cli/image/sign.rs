//! `gadgetry image sign`.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{StoreArgs, verify};
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::image::ImageError;
use crate::image::auth::Secret;
use crate::image::layout::name_of;
use crate::image::reference::Reference;
use crate::image::store::Store;
use crate::image::trust::SignError;
use crate::image::trust::cosign::{self, SigningKey};

pub(super) const EXAMPLES: &str = "\
Examples:
  # Makes cosign.key, encrypted with a password, and cosign.pub
  gadgetry image sign --generate-key-pair
  # Signs an image in the store; image push takes the signature along
  gadgetry image sign --key cosign.key registry.example.com/gadgets/trace_open:1
  # The password from somewhere else than the terminal or COSIGN_PASSWORD
  gadgetry image sign --key cosign.key --password-stdin trace_mine:1 < password";

/// Environment variable with the password, as for cosign.
const PASSWORD: &str = "COSIGN_PASSWORD";
/// Bytes a password or a file with a key may have.
const LIMIT: u64 = 100 << 10;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Image in the store: a name, or sha256: and the digest or its beginning
    #[arg(required_unless_present = "generate_key_pair")]
    image: Option<String>,
    /// File with the private key: of cosign generate-key-pair, or PEM (PKCS#8, SEC 1)
    #[arg(long, value_name = "FILE", required_unless_present = "generate_key_pair")]
    key: Option<PathBuf>,
    /// Read the key's password from standard input [default: $COSIGN_PASSWORD, else the terminal is asked]
    #[arg(long)]
    password_stdin: bool,
    /// How the signature is stored
    #[arg(long, value_enum, default_value_t = Form::Tag)]
    form: Form,
    /// Make a key pair instead
    #[arg(long, conflicts_with_all = ["image", "key", "form"])]
    generate_key_pair: bool,
    /// Beginning of the names of the files it is written to
    #[arg(long, value_name = "PREFIX", default_value = "cosign", requires = "generate_key_pair")]
    output_key_prefix: String,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// under the tag sha256-DIGEST.sig, which every version of cosign and ig verifies
    Tag,
    /// as a sigstore bundle, as cosign 3 does
    Bundle,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match (&args.image, &args.key) {
        (Some(image), Some(key)) => sign(args, image, key),
        _ => generate(args),
    }
}

fn sign(args: &Args, image: &str, key: &Path) -> Result<(), Failure> {
    let store = args.store.store()?;
    let reference = named(image, &store)?;
    let text = read_key(key)?;
    let password = if SigningKey::is_encrypted(&text) { password(args, false)? } else { Secret::default() };
    let key = SigningKey::parse(&text, &password).map_err(|error| Failure::RunTime(Box::new(error)))?;
    let form = match args.form {
        Form::Tag => cosign::Form::Tag,
        Form::Bundle => cosign::Form::Bundle,
    };
    let signed = cosign::sign(&store, &reference, &key, form).map_err(|error| match error {
        SignError::NotStored { reference } => {
            verify::absent(image, ImageError::NotFound { reference, looked: vec!["the store".to_owned()], suggestion: None })
        }
        error => Failure::RunTime(Box::new(error)),
    })?;
    let name = Reference { digest: Some(signed.digest), ..reference };
    output::write(format!("Successfully signed {name}\n").as_bytes())?;
    output::error(&format!("Signed by cosign key {}", key.public().fingerprint()));
    Ok(())
}

/// The image's name in the store: a signature belongs to a repository.
fn named(image: &str, store: &Store) -> Result<Reference, Failure> {
    let failed = |error: ImageError| Failure::RunTime(Box::new(error));
    if !image.starts_with("sha256:") {
        return Reference::parse(image).map_err(failed);
    }
    let digest = store.resolve(image).map_err(failed)?.digest().to_string();
    let roots = store.roots().map_err(failed)?;
    let names = roots.iter().filter(|root| root.digest().to_string() == digest).filter_map(name_of);
    let mut names: Vec<Reference> = names.filter_map(|name| Reference::parse(name).ok()).collect();
    names.sort_by_key(|name| (name.domain.clone(), name.repository.clone()));
    names.dedup_by(|a, b| (&a.domain, &a.repository) == (&b.domain, &b.repository));
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Ok(Reference { digest: Some(digest), ..name }),
        (Some(last), false) => {
            let images = names.iter().chain([&last]).map(ToString::to_string).collect();
            Err(failed(ImageError::Several { reference: image.to_owned(), images }))
        }
        (None, _) => Err(Failure::RunTime(format!("{digest} has no name to sign it under; give it one with gadgetry image tag").into())),
    }
}

fn generate(args: &Args) -> Result<(), Failure> {
    let [private, public] = ["key", "pub"].map(|end| PathBuf::from(format!("{}.{end}", args.output_key_prefix)));
    if let Some(there) = [&private, &public].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(Failure::RunTime(format!("{} exists already; it is not overwritten", there.display()).into()));
    }
    let (text, key) = SigningKey::generate(&password(args, true)?).map_err(|error| Failure::RunTime(Box::new(error)))?;
    write_new(&private, 0o600, &text)?;
    write_new(&public, 0o644, &key.public().to_pem())?;
    output::write(format!("Private key written to {}\nPublic key written to {}\n", private.display(), public.display()).as_bytes())
}

fn read_key(path: &Path) -> Result<String, Failure> {
    let failed = |reason: String| Failure::RunTime(format!("cannot read the private key {}: {reason}", path.display()).into());
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(failed("it is not a regular file".to_owned()));
    }
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text)).map_err(|error| failed(error.to_string()))?;
    Ok(text)
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let file = File::options().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::RunTime(format!("cannot write {}: {error}", path.display()).into()))
}

/// The password: from standard input, the environment, or the terminal, where a new one is asked for twice.
fn password(args: &Args, new: bool) -> Result<Secret, Failure> {
    let failed = |error: std::io::Error| Failure::RunTime(format!("cannot read the password: {error}").into());
    if args.password_stdin {
        let mut text = String::new();
        std::io::stdin().lock().take(LIMIT).read_to_string(&mut text).map_err(failed)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text)));
    }
    if let Some(text) = std::env::var_os(PASSWORD) {
        let text = text.into_string().map_err(|_| Failure::RunTime(format!("{PASSWORD} is not text").into()))?;
        return Ok(Secret::new(text));
    }
    if !std::io::stdin().is_terminal() {
        let text = format!("the private key needs a password: set {PASSWORD} or use --password-stdin");
        return Err(Failure::RunTime(text.into()));
    }
    let first = rpassword::prompt_password("Enter password for private key: ").map_err(failed)?;
    if new && rpassword::prompt_password("Enter password for private key again: ").map_err(failed)? != first {
        return Err(Failure::RunTime("the passwords are not the same".into()));
    }
    Ok(Secret::new(first))
}
