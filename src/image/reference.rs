//! Image names: `trace_open` means `ghcr.io/inspektor-gadget/gadget/trace_open:latest`. The rules are upstream's, so that names
//! mean the same here and there.

use super::error::ImageError;

/// Where names without a registry are looked for, unless configured otherwise.
pub const DEFAULT_DOMAIN: &str = "ghcr.io";
/// Where names without a slash are looked for in that registry, unless configured otherwise.
pub const DEFAULT_FOLDER: &str = "inspektor-gadget/gadget/";
const HOSTLESS: &str =
    "the registry's name needs a dot, a port or to be localhost: what begins with it would be taken for a folder elsewhere";
const REPOSITORY: &str = "the repository may have lower-case letters, digits and single . _ - between them";
/// Bytes of a reference that are worth looking at.
const LENGTH_LIMIT: usize = 512;

/// A name taken apart and completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Registry, perhaps with a port.
    pub domain: String,
    /// Path in the registry.
    pub repository: String,
    /// Tag; `latest` when neither tag nor digest was given.
    pub tag: Option<String>,
    /// `sha256:...`.
    pub digest: Option<String>,
}

/// How names are completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The registry of names without one.
    domain: String,
    /// What stands in front of names without a slash in that registry: empty, or ending in `/`.
    folder: String,
}

impl Default for Names {
    fn default() -> Self {
        Names { domain: DEFAULT_DOMAIN.to_owned(), folder: DEFAULT_FOLDER.to_owned() }
    }
}

impl Names {
    /// Names without a registry are looked for in `domain` (`host[:port]`), those without a slash in `folder` there; what is not given is as
    /// usual in the usual registry, and nothing in another one.
    ///
    /// # Errors
    /// When either is malformed, or full names of the registry would not be known again as such.
    pub fn new(domain: Option<&str>, folder: Option<&str>) -> Result<Self, ImageError> {
        let domain = domain.unwrap_or(DEFAULT_DOMAIN);
        let folder = folder.unwrap_or(if domain == DEFAULT_DOMAIN { DEFAULT_FOLDER } else { "" }).trim_matches('/');
        let refused = |reason| ImageError::Reference { reference: format!("{domain}/{folder}"), reason };
        check(is_domain(domain), refused, "the registry's name is malformed")?;
        check(is_host(domain), refused, HOSTLESS)?;
        check(folder.is_empty() || folder.split('/').all(is_component), refused, REPOSITORY)?;
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        Ok(Names { domain: domain.to_owned(), folder })
    }

    /// Completes and checks a name.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(&self, text: &str) -> Result<Reference, ImageError> {
        let refused = |reason| ImageError::Reference { reference: text.chars().take(LENGTH_LIMIT).collect(), reason };
        if text.is_empty() {
            return Err(refused("it is empty"));
        }
        if text.len() > LENGTH_LIMIT {
            return Err(refused("it is too long"));
        }
        let (domain, rest) = self.split_domain(text);
        let (rest, digest) = split_last(rest, '@');
        // A colon in front of the last slash belongs to no tag.
        let (repository, tag) = match rest.rfind(':').filter(|at| !rest[*at..].contains('/')) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let folder = if domain == self.domain && !repository.contains('/') { self.folder.as_str() } else { "" };
        let repository = format!("{folder}{repository}");
        check(is_domain(domain), refused, "the registry's name is malformed")?;
        check(repository.split('/').all(is_component), refused, REPOSITORY)?;
        check(tag.is_none_or(is_tag), refused, "the tag is malformed")?;
        check(digest.is_none_or(is_digest), refused, "the digest is not sha256: and 64 hexadecimal digits")?;
        let tag = tag.or_else(|| digest.is_none().then_some("latest"));
        Ok(Reference { domain: domain.to_owned(), repository, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }

    /// Text before the first slash is a registry if it looks like a host.
    fn split_domain<'t>(&'t self, text: &'t str) -> (&'t str, &'t str) {
        match text.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => (&self.domain, text),
        }
    }
}

impl Reference {
    /// Completes and checks a name, as upstream does.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        Names::default().parse(text)
    }

    /// For an image without a name: it belongs to no repository.
    pub fn nameless(digest: Option<&str>) -> Self {
        Reference { domain: String::new(), repository: String::new(), tag: None, digest: digest.map(str::to_owned) }
    }

    /// `domain/repository`: the name without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.repository)
    }

    /// The name proper of an image in the default folder: `trace_open`.
    pub fn gadget_name(&self) -> Option<&str> {
        if self.domain != DEFAULT_DOMAIN {
            return None;
        }
        self.repository.strip_prefix(DEFAULT_FOLDER).filter(|name| !name.contains('/'))
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.domain, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}

fn split_last(text: &str, mark: char) -> (&str, Option<&str>) {
    text.rsplit_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn check(holds: bool, refused: impl Fn(&'static str) -> ImageError, reason: &'static str) -> Result<(), ImageError> {
    if holds { Ok(()) } else { Err(refused(reason)) }
}

/// Whether it is told from a folder: by a dot, a colon, a capital, or as `localhost`.
fn is_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':']) || text.to_lowercase() != text
}

fn is_domain(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Letters and digits, between them one dot, one or two underscores or any number of dashes.
fn is_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|part| !part.is_empty());
    let separator = |part: &str| matches!(part, "." | "_" | "__") || part.bytes().all(|b| b == b'-');
    let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    ends && separators.all(separator)
}

fn is_tag(text: &str) -> bool {
    let inner = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    inner && (1..=128).contains(&text.len()) && !text.starts_with(['.', '-'])
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}
