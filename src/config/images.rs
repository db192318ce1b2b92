//! The section about images as settings: keys and documents may stand in files.

use std::io::Read;
use std::path::PathBuf;

use super::model::{ImagesConfig, NotationConfig};
use crate::image::reference::Names;
use crate::image::{Settings, registry};

/// Bytes a key, certificate or policy may have.
const MAX_FILE: u64 = 1 << 20;

/// What is wrong: the setting below `images`, and why.
pub type Wrong = (String, String);

/// The settings that the section means; `data_dir` is the data directory that was given.
///
/// # Errors
/// Everything that is wrong with it.
pub fn settings(config: &ImagesConfig, data_dir: Option<PathBuf>) -> Result<Settings, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let names = Names::new(config.default_registry.as_deref(), config.default_repository.as_deref()).unwrap_or_else(|error| {
        wrong.push(("default_registry".to_owned(), error.to_string()));
        Names::default()
    });
    let keys = texts("verify.public_keys", "-----BEGIN", &config.verify.public_keys, &mut wrong);
    let (certificates, policy) = config.verify.notation.as_ref().map_or_else(Default::default, |notation| notated(notation, &mut wrong));
    let settings = Settings {
        data_dir,
        pull: config.pull.unwrap_or_default(),
        names,
        registries: registry::Options {
            insecure: config.insecure_registries.clone(),
            authfile: config.authfile.as_ref().map(PathBuf::from),
            cert_dir: config.cert_dir.as_ref().map(PathBuf::from),
            mirrors: config.mirrors.clone(),
            ..registry::Options::default()
        },
        verify: config.verify.enabled.unwrap_or(true),
        public_keys: keys,
        notation_certificates: certificates,
        notation_policy: policy,
        allowed: config.allowed.clone(),
        disallow_pulling: config.disallow_pulling.unwrap_or(false),
    };
    if wrong.is_empty()
        && let Err(error) = settings.policy()
    {
        wrong.push(("verify".to_owned(), error.to_string()));
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

fn notated(config: &NotationConfig, wrong: &mut Vec<Wrong>) -> (Vec<String>, Option<String>) {
    let certificates = texts("verify.notation.certificates", "-----BEGIN", &config.certificates, wrong);
    let policy = text(&config.trust_policy, "{").map_err(|why| wrong.push(("verify.notation.trust_policy".to_owned(), why))).ok();
    (certificates, policy)
}

fn texts(path: &str, start: &str, given: &[String], wrong: &mut Vec<Wrong>) -> Vec<String> {
    let read = |(index, given): (usize, &String)| text(given, start).map_err(|why| wrong.push((format!("{path}[{index}]"), why))).ok();
    given.iter().enumerate().filter_map(read).collect()
}

/// The text itself when it begins like one, else what is in the file of that name.
fn text(given: &str, start: &str) -> Result<String, String> {
    if given.trim_start().starts_with(start) {
        return Ok(given.to_owned());
    }
    let mut content = String::new();
    let read = std::fs::File::open(given).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut content));
    match read {
        Ok(_) if content.len() as u64 > MAX_FILE => Err(format!("{given} is larger than {} MiB", MAX_FILE >> 20)),
        Ok(_) => Ok(content),
        Err(error) => Err(format!("cannot read {given}: {error}")),
    }
}
