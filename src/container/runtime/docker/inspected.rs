//! What an engine says of one container that it was asked for, as far as it is of use: a twentieth of the answer.

use std::collections::HashMap;

use serde::Deserialize;

/// Where a container is asked for, in the version that the engine speaks.
pub(super) fn path(id: &str) -> String {
    format!("/containers/{id}/json")
}

/// The part of the answer that is of use. `ContainerInspect` of Docker's API, of any version.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Inspected {
    pub id: Option<String>,
    pub name: Option<String>,
    /// Id of the image.
    pub image: Option<String>,
    pub config: Option<Config>,
    pub state: Option<State>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Config {
    /// Name of the image, as the container's maker wrote it.
    pub image: Option<String>,
    pub labels: Option<HashMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct State {
    pub running: Option<bool>,
    pub pid: Option<i64>,
    /// RFC 3339.
    pub started_at: Option<String>,
}
