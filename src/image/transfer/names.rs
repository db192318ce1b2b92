//! The full names of what is in an archive. Upstream and we write them; other tools write only a tag, or nothing.

use oci_spec::image::Descriptor;

use super::{CONTAINERD_NAME, TransferError};
use crate::image::error::ImageError;
use crate::image::layout::name_of;
use crate::image::reference::Reference;

/// How images are called whose full name their archive does not tell.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    repository: Option<Reference>,
    /// Whether a tag was given, too.
    tagged: bool,
}

impl Naming {
    /// By a repository, with or without a tag.
    ///
    /// # Errors
    /// When it is no name, or has a digest.
    pub fn by(text: &str) -> Result<Self, ImageError> {
        let repository = Reference::parse(text)?;
        if repository.digest.is_some() {
            return Err(ImageError::Reference { reference: text.to_owned(), reason: "a digest is nothing that can be given" });
        }
        let tagged = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
        Ok(Naming { repository: Some(repository), tagged })
    }

    /// The full name of an image.
    pub(super) fn image(&self, root: &Descriptor) -> Result<String, TransferError> {
        if let Some(name) = full(root)? {
            return Ok(name.to_string());
        }
        let tag = name_of(root);
        let unnamed = || TransferError::Unnamed { digest: root.digest().to_string(), tag: tag.map(|tag| tag.chars().take(128).collect()) };
        let repository = self.repository.as_ref().ok_or_else(unnamed)?;
        match tag.filter(|_| !self.tagged) {
            Some(tag) => Ok(self.with_tag(repository, tag)?),
            None => Ok(repository.to_string()),
        }
    }

    /// The full name of a signature that has one, `REPOSITORY:sha256-<hex>.sig`.
    pub(super) fn signature(&self, root: &Descriptor) -> Result<Option<String>, ImageError> {
        let is_of_digest =
            |tag: &str| tag.strip_prefix("sha256-").and_then(|rest| rest.strip_suffix(".sig")).is_some_and(|h| h.len() == 64);
        if let Some(name) = full(root)? {
            return Ok(name.tag.as_deref().is_some_and(is_of_digest).then(|| name.to_string()));
        }
        match (name_of(root).filter(|tag| is_of_digest(tag)), &self.repository) {
            (Some(tag), Some(repository)) => self.with_tag(repository, tag).map(Some),
            _ => Ok(None),
        }
    }

    fn with_tag(&self, repository: &Reference, tag: &str) -> Result<String, ImageError> {
        Ok(Reference::parse(&format!("{}/{}:{tag}", repository.domain, repository.repository))?.to_string())
    }
}

/// The name if it tells a repository. No tag has one of these marks.
fn full(root: &Descriptor) -> Result<Option<Reference>, ImageError> {
    let containerd = || root.annotations().as_ref().and_then(|all| all.get(CONTAINERD_NAME)).map(String::as_str);
    let is_full = |name: &&str| name.contains(['/', ':', '@']);
    name_of(root).filter(is_full).or_else(containerd).map(Reference::parse).transpose()
}
