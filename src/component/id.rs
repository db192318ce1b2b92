//! Component ids as in the OpenTelemetry Collector: `type` or `type/name`.

use std::fmt;
use std::str::FromStr;

/// `type` or `type/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentId {
    kind: String,
    name: Option<String>,
}

/// A text that is not a component id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a component id: expected `type` or `type/name`")]
pub struct InvalidComponentId(String);

impl ComponentId {
    /// The type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name behind the slash.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl FromStr for ComponentId {
    type Err = InvalidComponentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (text, None),
        };
        let kind_ok = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let name_ok = name.is_none_or(|n| !n.trim().is_empty() && n.trim() == n);
        if !kind_ok || !name_ok {
            return Err(InvalidComponentId(text.to_owned()));
        }
        Ok(ComponentId { kind: kind.to_owned(), name: name.map(str::to_owned) })
    }
}

impl TryFrom<String> for ComponentId {
    type Error = InvalidComponentId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ComponentId> for String {
    fn from(id: ComponentId) -> String {
        id.to_string()
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{}", self.kind, name),
            None => f.write_str(&self.kind),
        }
    }
}
