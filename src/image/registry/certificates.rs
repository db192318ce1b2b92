//! Certificates for a registry: authorities to trust beside the system's, and our own.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::error::RegistryError;

/// Folders with a folder for each registry, the first that has one counts (containers-certs.d(5)).
const USUAL: [&str; 3] = ["/etc/gadgetry/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"];
/// Largest file, in bytes.
const LIMIT: u64 = 1 << 20;
/// Files of a folder that are looked at.
const FILES: usize = 256;

/// What is used with one registry.
#[derive(Clone, Default)]
pub struct Certificates {
    /// Authorities, PEM texts.
    pub authorities: Vec<Vec<u8>>,
    /// Our certificate and its key, one PEM text.
    pub identity: Option<Vec<u8>>,
}

/// The certificates for a registry (`host[:port]`): out of the folder named, or its folder `host[:port]` where there is one, else out of the
/// usual ones (see [`super::Options::cert_dir`]).
///
/// # Errors
/// When a file that is there cannot be used, or the folder named is not there.
pub fn certificates(folder: Option<&Path>, registry: &str) -> Result<Certificates, RegistryError> {
    match folder {
        Some(folder) => {
            let own = below(folder, registry).filter(|own| own.is_dir());
            load(own.as_deref().unwrap_or(folder))
        }
        None => usual(&USUAL.map(PathBuf::from), registry),
    }
}

/// Out of the first of the folders that has one for the registry.
fn usual(folders: &[PathBuf], registry: &str) -> Result<Certificates, RegistryError> {
    for own in folders.iter().filter_map(|folder| below(folder, registry)) {
        match own.read_dir() {
            Ok(_) => return load(&own),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Nobody asked for it by name; the registry may do without.
            Err(error) => tracing::warn!(path = %own.display(), %error, "the folder with certificates cannot be read"),
        }
    }
    Ok(Certificates::default())
}

/// The folder of a registry, unless its name would lead elsewhere.
fn below(folder: &Path, registry: &str) -> Option<PathBuf> {
    let harmless = !registry.is_empty() && !registry.contains(['/', '\0']) && !matches!(registry, "." | "..");
    harmless.then(|| folder.join(registry))
}

fn load(folder: &Path) -> Result<Certificates, RegistryError> {
    let mut loaded = Certificates::default();
    let mut pairs: BTreeMap<PathBuf, (bool, bool)> = BTreeMap::new();
    for path in files(folder)? {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("crt") => loaded.authorities.push(certificate(&path)?),
            Some("cert") => pairs.entry(path.with_extension("")).or_default().0 = true,
            Some("key") => pairs.entry(path.with_extension("")).or_default().1 = true,
            _ => {}
        }
    }
    for (stem, has) in pairs {
        let (cert, key) = (with_ending(&stem, "cert"), with_ending(&stem, "key"));
        match has {
            (true, true) if loaded.identity.is_some() => {
                tracing::warn!(path = %cert.display(), "a further client certificate is left out: the first one counts");
            }
            (true, true) => loaded.identity = Some(identity(&cert, &key)?),
            (true, false) => return Err(unusable(&cert, "there is no .key file of that name beside it")),
            (false, _) => return Err(unusable(&key, "there is no .cert file of that name beside it")),
        }
    }
    Ok(loaded)
}

fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// The files of a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let failed = |source| RegistryError::CertificateIo { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        if found.len() >= FILES {
            return Err(unusable(folder, "it has more than 256 entries"));
        }
        found.push(entry.map_err(failed)?.path());
    }
    found.retain(|path| !path.is_dir());
    found.sort();
    Ok(found)
}

/// A file with at least one certificate, all of them well-formed as PEM.
fn certificate(path: &Path) -> Result<Vec<u8>, RegistryError> {
    let (pem, _) = read(path)?;
    let mut all = CertificateDer::pem_slice_iter(&pem).peekable();
    if all.peek().is_none() {
        return Err(unusable(path, "it is no PEM file with certificates"));
    }
    if !all.all(|one| one.is_ok_and(|one| x509_parser::parse_x509_certificate(&one).is_ok())) {
        return Err(unusable(path, "a certificate in it is malformed"));
    }
    Ok(pem)
}

fn identity(cert: &Path, key: &Path) -> Result<Vec<u8>, RegistryError> {
    let mut pem = certificate(cert)?;
    let (key_pem, mode) = read(key)?;
    if PrivateKeyDer::from_pem_slice(&key_pem).is_err() {
        return Err(unusable(key, "it is no PEM file with a private key that is not encrypted"));
    }
    if mode & 0o066 != 0 {
        tracing::warn!(path = %key.display(), mode = format!("{:04o}", mode & 0o7777), "the client key is open to other users; chmod 600 closes it");
    }
    pem.push(b'\n');
    pem.extend_from_slice(&key_pem);
    match reqwest::Identity::from_pem(&pem) {
        Ok(_) => Ok(pem),
        Err(_) => Err(unusable(key, "it makes no identity together with its certificate")),
    }
}

/// A regular file and its mode. Anything else is not waited for.
fn read(path: &Path) -> Result<(Vec<u8>, u32), RegistryError> {
    let failed = |source| RegistryError::CertificateIo { path: path.to_owned(), source };
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(unusable(path, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(unusable(path, "it is larger than 1 MiB"));
    }
    Ok((bytes, metadata.mode()))
}

fn unusable(path: &Path, reason: &'static str) -> RegistryError {
    RegistryError::Certificate { path: path.to_owned(), reason }
}
