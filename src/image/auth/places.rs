//! Which file with credentials is used.

use std::path::{Path, PathBuf};

use super::{AuthError, VARIABLE};

/// The file of upstream's tool.
const UPSTREAM: &str = "/var/lib/ig/config.json";
const NAME: &str = "config.json";

/// The places of a process, whether or not there is something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Named by a flag or the configuration.
    pub(super) named: Option<PathBuf>,
    /// Named by the environment.
    pub(super) variable: Option<PathBuf>,
    /// Our own.
    pub(super) default: PathBuf,
    /// Looked at in this order when ours does not exist.
    pub(super) others: Vec<PathBuf>,
}

impl Places {
    /// Those of this process; `data` is the data directory.
    pub(super) fn of_process(named: Option<&Path>, data: &Path) -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let upstream = is_root().then(|| PathBuf::from(UPSTREAM));
        let docker = variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")));
        let others = upstream.into_iter().chain(docker.map(|folder| folder.join(NAME))).collect();
        Places { named: named.map(Path::to_owned), variable: variable(VARIABLE), default: data.join(NAME), others }
    }

    /// The file that is read.
    pub(super) fn read(self) -> Result<PathBuf, AuthError> {
        if let Some(path) = self.named {
            return existing(path, "--authfile");
        }
        if let Some(path) = self.variable {
            return existing(path, VARIABLE);
        }
        // A file that is there and cannot be read is to be heard of, so what counts is its name.
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        let other = if is_there(&self.default) { None } else { self.others.into_iter().find(|path| is_there(path)) };
        Ok(other.unwrap_or(self.default))
    }

    /// The file that is written.
    pub(super) fn written(self) -> PathBuf {
        self.named.or(self.variable).unwrap_or(self.default)
    }
}

fn existing(path: PathBuf, by: &'static str) -> Result<PathBuf, AuthError> {
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(AuthError::Absent { path, by }),
        _ => Ok(path),
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}
