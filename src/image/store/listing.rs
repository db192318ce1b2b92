//! What a store's `index.json` lists. One of ten thousand images is found without reading the others: the text is searched for the
//! name, and only the element around it is parsed. Foreign: bytes and elements are bounded.

use std::path::Path;

use memchr::memmem::{self, Finder};
use oci_spec::OciSpecError;
use oci_spec::image::Descriptor;
use serde::Deserialize;

use super::scan::{self, Elements, List};
use crate::image::error::ImageError;
use crate::image::layout::{INDEX_LIMIT, name_of, read_file};
use crate::image::pack::REF_NAME;

/// Elements that `index.json` may have.
pub const MAX_ROOTS: usize = 200_000;

/// The text of an `index.json`.
#[derive(Debug)]
pub struct Listing {
    text: Vec<u8>,
}

/// What is read of an index as a whole. Some tools write `null` where they mean an empty list.
#[derive(Deserialize)]
struct Shape {
    manifests: Option<Vec<Descriptor>>,
}

impl Listing {
    /// Takes that text for one; nothing is looked at yet.
    pub fn of(text: Vec<u8>) -> Self {
        Listing { text }
    }

    /// That of the layout in `folder`; none when it has none.
    ///
    /// # Errors
    /// When it is there but cannot be read, or has more bytes than [`INDEX_LIMIT`].
    pub fn read(folder: &Path) -> Result<Option<Self>, ImageError> {
        let path = folder.join("index.json");
        match read_file(&path, INDEX_LIMIT) {
            Ok(text) => Ok(Some(Listing { text })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ImageError::Io { action: "read", path, source }),
        }
    }

    /// The text.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// All it lists.
    ///
    /// # Errors
    /// When it is no index, or lists more than [`MAX_ROOTS`].
    pub fn all(&self) -> Result<Vec<Descriptor>, ImageError> {
        Ok(self.parsed()?.0)
    }

    /// All it lists, and where; the places are known to be right.
    pub(super) fn parsed(&self) -> Result<(Vec<Descriptor>, List), ImageError> {
        let Some(list) = scan::list(&self.text, MAX_ROOTS) else {
            // What was not understood is bounded before the parser sees it.
            serde_json::from_slice::<serde::de::IgnoredAny>(&self.text).map_err(malformed)?;
            return Err(refused(format!("it has no list of manifests, or more than {MAX_ROOTS} in it")));
        };
        let shape: Shape = serde_json::from_slice(&self.text).map_err(malformed)?;
        let all = shape.manifests.unwrap_or_default();
        if all.len() != list.elements.len() {
            return Err(refused("its list of manifests is ambiguous".to_owned()));
        }
        Ok((all, list))
    }

    /// The first root of that full name.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn named(&self, name: &str) -> Result<Option<Descriptor>, ImageError> {
        self.find(name, |root| name_of(root) == Some(name))
    }

    /// The first root that is `wanted`, of which it is known that `word` is one of its strings.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn find(&self, word: &str, wanted: impl Fn(&Descriptor) -> bool) -> Result<Option<Descriptor>, ImageError> {
        if word.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
            && let Some(answer) = self.search(word, &wanted)
        {
            return Ok(answer);
        }
        Ok(self.all()?.into_iter().find(wanted))
    }

    /// Finds it by its text; none when the text leaves a doubt.
    fn search(&self, word: &str, wanted: impl Fn(&Descriptor) -> bool) -> Option<Option<Descriptor>> {
        let quoted = format!("\"{word}\"");
        let finder = Finder::new(&quoted);
        let mut hits = finder.find_iter(&self.text).peekable();
        if hits.peek().is_some() {
            for element in Elements::of(&self.text)? {
                let mut hit = false;
                while let Some(at) = hits.next_if(|at| *at < element.end) {
                    hit |= at >= element.start;
                }
                if hit {
                    let root: Descriptor = serde_json::from_slice(self.text.get(element)?).ok()?;
                    if wanted(&root) {
                        return Some(Some(root));
                    }
                }
                if hits.peek().is_none() {
                    break;
                }
            }
        }
        // Plain letters can be spelled in these ways, too.
        let spelled_otherwise = [&b"\\u00"[..], b"\\/"].iter().any(|way| memmem::find(&self.text, way).is_some());
        (hits.next().is_none() && !spelled_otherwise).then_some(None)
    }

    /// The roots that have no name.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn nameless(&self) -> Result<Vec<Descriptor>, ImageError> {
        let Some(elements) = Elements::of(&self.text) else {
            return Ok(self.all()?.into_iter().filter(|root| name_of(root).is_none()).collect());
        };
        let key = Finder::new(REF_NAME);
        let texts = elements.take(MAX_ROOTS).filter_map(|place| self.text.get(place)).filter(|text| key.find(text).is_none());
        let roots = texts.map(serde_json::from_slice::<Descriptor>).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
        Ok(roots.into_iter().filter(|root| name_of(root).is_none()).collect())
    }
}

fn malformed(source: serde_json::Error) -> ImageError {
    ImageError::Document { what: "index.json".to_owned(), source: OciSpecError::SerDe(source) }
}

fn refused(reason: String) -> ImageError {
    ImageError::Document { what: "index.json".to_owned(), source: OciSpecError::Other(reason) }
}
