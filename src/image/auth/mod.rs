//! Credentials for registries, in the format of Docker's `config.json`. What is secret shows up neither in logs nor in `Debug`.

mod document;
mod error;
mod fault;
mod file;
mod helper;
mod keys;
mod places;
mod secret;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use document::{Document, Login};
pub use error::AuthError;
pub use fault::Fault;
pub use file::LIMIT;
use helper::Helper;
pub use helper::HelperError;
use places::Places;
pub use secret::Secret;

/// The file that is named by the environment.
pub const VARIABLE: &str = "REGISTRY_AUTH_FILE";

/// What a registry is told about who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// User and password.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A token that is exchanged for others at the registry's token server (`identitytoken`).
    Identity(Secret),
    /// A token that is sent as it is (`registrytoken`).
    Bearer(Secret),
}

/// A file with credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthFile {
    path: PathBuf,
}

impl AuthFile {
    /// The file to use: the one named, else that of `REGISTRY_AUTH_FILE`, else `config.json` below `data` (the data directory); where that
    /// does not exist, upstream's `/var/lib/ig/config.json` (root), else Docker's (`DOCKER_CONFIG`, `~/.docker/config.json`).
    ///
    /// # Errors
    /// When a file that was named does not exist.
    pub fn find(named: Option<&Path>, data: &Path) -> Result<Self, AuthError> {
        Places::of_process(named, data).read().map(Self::at)
    }

    /// The file to write: the one named, else that of `REGISTRY_AUTH_FILE`, else `config.json` below `data`. It need not exist.
    pub fn to_write(named: Option<&Path>, data: &Path) -> Self {
        Self::at(Places::of_process(named, data).written())
    }

    /// Exactly this one.
    pub fn at(path: PathBuf) -> Self {
        AuthFile { path }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it (or the credential helper it names) has for a registry (`host[:port]`) and a repository there. Blocks.
    ///
    /// # Errors
    /// When the file is malformed, or the helper fails. A file that does not exist has nothing.
    pub fn credentials(&self, registry: &str, repository: &str) -> Result<Credentials, AuthError> {
        Ok(self.login(registry, repository)?.map(|login| login.credentials).unwrap_or_default())
    }

    /// The same with the user; none when there is nothing. A helper of the registry alone is asked first, then the common one, and
    /// what neither has may be in the file itself. Blocks.
    ///
    /// # Errors
    /// As [`AuthFile::credentials`].
    pub fn login(&self, registry: &str, repository: &str) -> Result<Option<Login>, AuthError> {
        let document = file::read(&self.path)?;
        let kept = || document.find(registry, repository).map_err(|source| AuthError::Malformed { path: self.path.clone(), source });
        let failed = |source| AuthError::Helper { action: "get", registry: registry.to_owned(), source };
        let server = keys::server(registry);
        if let Some(name) = document.own_helper(registry, repository) {
            let found = Helper::new(name).and_then(|helper| helper.get(&server)).map_err(failed)?;
            return found.map_or_else(kept, |login| Ok(Some(login)));
        }
        let Some(name) = document.common_helper() else { return kept() };
        match Helper::new(name).and_then(|helper| helper.get(&server)) {
            Ok(Some(login)) => Ok(Some(login)),
            Ok(None) => kept(),
            // A file of another machine: what was never logged in to there is none of the helper's business.
            Err(error) if Helper::is_absent(&error) && (!document.mentions(registry, repository) || kept()?.is_some()) => {
                tracing::warn!(helper = name, path = %self.path.display(), "the credential helper that the file names is not installed");
                kept()
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Keeps user and password for a registry: with the helper that the file names, else in the file. Blocks.
    ///
    /// # Errors
    /// When the format cannot hold them, the file cannot be read or written, or the helper fails.
    pub fn store(&self, registry: &str, user: &str, password: &Secret) -> Result<(), AuthError> {
        let unkeepable = |what, reason| Err(AuthError::Unkeepable { what, reason });
        match (user, password.reveal()) {
            ("", _) => return unkeepable("the user", "it is empty"),
            (user, _) if user.contains([':', '\0', '\n']) => return unkeepable("the user", "it has a colon or a line break in it"),
            (_, "") => return unkeepable("the password", "it is empty"),
            (_, password) if password.contains('\0') => return unkeepable("the password", "it has a zero in it"),
            _ => {}
        }
        let document = file::read(&self.path)?;
        let Some(helper) = document.own_helper(registry, "").or_else(|| document.common_helper()) else {
            return file::change(&self.path, |document| {
                document.put(registry, user, password);
                Ok(())
            });
        };
        let kept = Helper::new(helper).and_then(|helper| helper.store(&keys::server(registry), user, password));
        kept.map_err(|source| AuthError::Helper { action: "store", registry: registry.to_owned(), source })?;
        file::change(&self.path, |document| {
            document.refer(registry);
            Ok(())
        })
    }

    /// Forgets a registry, in the helper too; whether there was something. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the helper fails.
    pub fn erase(&self, registry: &str) -> Result<bool, AuthError> {
        let document = file::read(&self.path)?;
        let was_kept = erase(&document, registry)?;
        // A file that has nothing is not touched, nor made.
        let was_there = document.mentions(registry, "") && file::change(&self.path, |document| Ok(document.remove(registry)))?;
        Ok(was_kept || was_there)
    }

    /// Forgets all registries that the file mentions, and those with a helper of their own. Blocks.
    ///
    /// # Errors
    /// As [`AuthFile::erase`].
    pub fn erase_all(&self) -> Result<(), AuthError> {
        let document = file::read(&self.path)?;
        let keys = document.keys().into_iter().chain(document.helpers().map(|(key, _)| key));
        let mut hosts: Vec<String> = keys.map(keys::normalised).map(|key| key.split('/').next().unwrap_or_default().to_owned()).collect();
        hosts.sort();
        hosts.dedup();
        for host in hosts {
            erase(&document, &host)?;
        }
        if !document.keys().is_empty() {
            file::change(&self.path, |document| Ok(document.clear()))?;
        }
        Ok(())
    }
}

/// Has the helper of a registry forget it; whether there is one that had something.
fn erase(document: &Document, registry: &str) -> Result<bool, AuthError> {
    let Some(name) = document.own_helper(registry, "").or_else(|| document.common_helper()) else { return Ok(false) };
    let server = keys::server(registry);
    let failed = |source| AuthError::Helper { action: "erase", registry: registry.to_owned(), source };
    // Some succeed in forgetting what they never had.
    let erased = Helper::new(name).and_then(|helper| Ok(helper.get(&server)?.is_some() && helper.erase(&server)?));
    erased.map_err(failed)
}
