//! Packs metadata and objects into the files of an OCI image layout. `build.rs` includes this file, so it leans on nothing but
//! `error`. Equal input gives equal bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::str::FromStr;

use oci_spec::OciSpecError;
use oci_spec::image::{
    Arch, Descriptor, DescriptorBuilder, ImageIndexBuilder, ImageManifestBuilder, MediaType, Os, PlatformBuilder, Sha256Digest,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::ImageError;

/// What a gadget image calls itself.
pub const ARTIFACT_TYPE: &str = "application/vnd.gadget.v1+binary";
/// The config blob: `gadget.yaml`, byte for byte.
pub const CONFIG_TYPE: &str = "application/vnd.gadget.config.v1+yaml";
/// A layer with one BPF object.
pub const EBPF_TYPE: &str = "application/vnd.gadget.ebpf.program.v1+binary";
/// A layer with one WASM module.
pub const WASM_TYPE: &str = "application/vnd.gadget.wasm.program.v1+binary";
/// A layer with types of kernels that have none of their own, as a compressed archive.
pub const BTFGEN_TYPE: &str = "application/vnd.gadget.btfgen.v1+binary";
/// Annotation that names an image in a layout's `index.json`: the normalised reference.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation with the gadget's version.
pub const VERSION: &str = "org.opencontainers.image.version";

/// Says when what is built was created, in place of the clock: to us and to compilers.
pub const DATE_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// What goes into one image.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The normalised reference the image is to have in the layout; empty for none.
    pub reference: &'a str,
    /// `gadget.yaml`.
    pub metadata: &'a [u8],
    /// Where that came from, for messages.
    pub metadata_path: &'a Path,
    /// BPF objects by architecture in Go's spelling; an empty one where the gadget has none.
    pub objects: &'a BTreeMap<String, Vec<u8>>,
    /// One WASM module for all architectures.
    pub wasm: Option<&'a [u8]>,
    /// Version of the gadget; empty when it does not say.
    pub version: &'a str,
    /// Version of the builder.
    pub builder: &'a str,
    /// Creation time, seconds since the Unix epoch.
    pub created: u64,
}

/// A layout: file contents by path relative to its root.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The part of `gadget.yaml` that is copied into annotations.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    name: Option<String>,
    description: Option<String>,
    #[serde(rename = "homepageURL")]
    homepage_url: Option<String>,
    #[serde(rename = "documentationURL")]
    documentation_url: Option<String>,
    #[serde(rename = "sourceURL")]
    source_url: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Packs one image: an index, a manifest per architecture, the metadata as config, the objects as layers.
pub fn pack(recipe: &Recipe<'_>) -> Result<Files, ImageError> {
    pack_with_types(recipe, &BTreeMap::new())
}

/// As [`pack`], with types of kernels that have none of their own: a compressed archive by architecture.
pub fn pack_with_types(recipe: &Recipe<'_>, types: &BTreeMap<String, Vec<u8>>) -> Result<Files, ImageError> {
    let annotations = annotations(recipe)?;
    let mut files = Files::new();
    build(recipe, types, annotations, &mut files)
        .map_err(|source| ImageError::Document { what: format!("image {}", recipe.reference), source })?;
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    Ok(files)
}

/// When an image was created, in seconds since the Unix epoch: what `SOURCE_DATE_EPOCH` says, else 0, so that the same input gives the same
/// image whenever it is built.
///
/// # Errors
/// With the variable's value when it is no such number.
pub fn created() -> Result<u64, ImageError> {
    match std::env::var(DATE_VARIABLE).ok().filter(|text| !text.is_empty()) {
        // Years of more than four digits have no RFC 3339 form.
        Some(text) => text.parse().ok().filter(|seconds| *seconds < 253_402_300_800).ok_or(ImageError::Date { text }),
        None => Ok(0),
    }
}

/// `sha256:` and the hexadecimal digest of `bytes`.
pub fn digest_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in Sha256::digest(bytes) {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

fn annotations(recipe: &Recipe<'_>) -> Result<HashMap<String, String>, ImageError> {
    let malformed = |source| ImageError::Metadata { path: recipe.metadata_path.to_owned(), source: Box::new(source) };
    let head: Head = serde_saphyr::from_slice::<Option<Head>>(recipe.metadata).map_err(malformed)?.unwrap_or_default();
    let mut all = HashMap::new();
    let known = [
        ("title", head.name),
        ("description", head.description),
        ("url", head.homepage_url),
        ("documentation", head.documentation_url),
        ("source", head.source_url),
        ("version", Some(recipe.version.to_owned()).filter(|version| !version.is_empty())),
        ("created", Some(rfc3339(recipe.created))),
    ];
    for (key, value) in known {
        if let Some(value) = value {
            all.insert(format!("org.opencontainers.image.{key}"), value);
        }
    }
    all.insert("io.inspektor-gadget.builder.version".to_owned(), recipe.builder.to_owned());
    all.extend(head.annotations);
    Ok(all)
}

fn build(
    recipe: &Recipe<'_>,
    types: &BTreeMap<String, Vec<u8>>,
    annotations: HashMap<String, String>,
    files: &mut Files,
) -> Result<(), OciSpecError> {
    let mut manifests = Vec::new();
    for (architecture, object) in recipe.objects {
        let mut config = add_blob(files, CONFIG_TYPE, recipe.metadata.to_vec())?;
        config.set_annotations(Some(annotations.clone()));
        let object = Some(object.as_slice()).filter(|object| !object.is_empty());
        let types = types.get(architecture).map(Vec::as_slice);
        let all = [(EBPF_TYPE, object), (WASM_TYPE, recipe.wasm), (BTFGEN_TYPE, types)];
        let present = all.into_iter().filter_map(|(media_type, bytes)| Some((media_type, bytes?)));
        let layers = present.map(|(media_type, bytes)| add_blob(files, media_type, bytes.to_vec())).collect::<Result<Vec<_>, _>>()?;
        let manifest = ImageManifestBuilder::default()
            .schema_version(2u32)
            .artifact_type(MediaType::from(ARTIFACT_TYPE))
            .config(config)
            .layers(layers)
            .annotations(annotations.clone())
            .build()?;
        let platform = PlatformBuilder::default().os(Os::Linux).architecture(Arch::from(architecture.as_str())).build()?;
        let mut descriptor = add_blob(files, MediaType::ImageManifest.as_ref(), sorted(&manifest)?)?;
        descriptor.set_artifact_type(Some(MediaType::from(ARTIFACT_TYPE)));
        descriptor.set_platform(Some(platform));
        descriptor.set_annotations(Some(annotations.clone()));
        manifests.push(descriptor);
    }
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .annotations(annotations)
        .build()?;
    let mut root = add_blob(files, MediaType::ImageIndex.as_ref(), sorted(&index)?)?;
    if !recipe.reference.is_empty() {
        root.set_annotations(Some(HashMap::from([(REF_NAME.to_owned(), recipe.reference.to_owned())])));
    }
    let entry = ImageIndexBuilder::default().schema_version(2u32).media_type(MediaType::ImageIndex).manifests(vec![root]).build()?;
    files.insert("index.json".to_owned(), sorted(&entry)?);
    Ok(())
}

/// JSON with its keys in order: the annotations come out of a hash map, whose order differs from run to run.
fn sorted(document: &impl serde::Serialize) -> Result<Vec<u8>, OciSpecError> {
    let mut value = serde_json::to_value(document)?;
    value.sort_all_objects();
    Ok(serde_json::to_vec(&value)?)
}

fn add_blob(files: &mut Files, media_type: &str, bytes: Vec<u8>) -> Result<Descriptor, OciSpecError> {
    let digest = digest_of(&bytes);
    let hex = digest.trim_start_matches("sha256:");
    let descriptor = DescriptorBuilder::default()
        .media_type(MediaType::from(media_type))
        .size(bytes.len() as u64)
        .digest(Sha256Digest::from_str(hex)?)
        .build()?;
    files.insert(format!("blobs/sha256/{hex}"), bytes);
    Ok(descriptor)
}

/// `1970-01-01T00:00:00Z` and so on. Civil date from days, by counting years from March.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}
