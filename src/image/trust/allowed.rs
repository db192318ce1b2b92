//! The allowed gadgets. A rule is a name with a tag, a name with a digest, a prefix ending in `*`, or a place on disk beginning with `/`.
//!
//! Names are completed as those of images are, so unless configured otherwise `trace_open` allows
//! `ghcr.io/inspektor-gadget/gadget/trace_open:latest` and `trace_*` what is in that folder. A prefix that begins with a registry is taken letter by letter: `ghcr.io/foo*` allows `ghcr.io/foobar/x`, too.
//! Blank entries are passed over.

use std::path::Path;

use super::error::TrustError;
use crate::image::reference::{Names, Reference};

/// What the rules say of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// It may run.
    Allowed,
    /// It may not, whatever its digest.
    Refused,
    /// Only its digest can tell.
    DependsOnDigest,
}

enum Rule<'r> {
    /// What the name begins with.
    Prefix(String),
    Name(Reference),
    /// A path, and whether what is below it is meant, too.
    Path(&'r str, bool),
    /// A name that cannot be one: it allows nothing.
    Malformed,
}

/// Whether an entry asks for a digest.
pub(super) fn ask_for_digest(allowed: &[String]) -> bool {
    allowed.iter().any(|entry| entry.contains("@sha256:"))
}

/// What the rules say of an image, of which the digest may be known.
pub(super) fn allowance(allowed: &[String], names: &Names, reference: &Reference, digest: Option<&str>) -> Allowance {
    let digest = reference.digest.as_deref().or(digest);
    let Some(rules) = rules(allowed, names) else { return Allowance::Allowed };
    let answers: Vec<_> = rules.iter().map(|rule| ask(rule, reference, digest)).collect();
    [Allowance::Allowed, Allowance::DependsOnDigest].into_iter().find(|answer| answers.contains(answer)).unwrap_or(Allowance::Refused)
}

/// Whether the image is among them. One that depends on a digest that is not known is not.
pub(super) fn check(allowed: &[String], names: &Names, reference: &Reference, digest: Option<&str>) -> Result<(), TrustError> {
    match allowance(allowed, names, reference, digest) {
        Allowance::Allowed => Ok(()),
        _ => {
            let digest = digest.filter(|_| reference.digest.is_none() && ask_for_digest(allowed));
            Err(refused(allowed, digest.map_or_else(|| reference.to_string(), |digest| format!("{reference}@{digest}"))))
        }
    }
}

/// Whether what is at that place on disk is among them.
pub(super) fn check_path(allowed: &[String], names: &Names, path: &Path) -> Result<(), TrustError> {
    let Some(rules) = rules(allowed, names) else { return Ok(()) };
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // A path that still has `..` could lead anywhere.
    let known = place.is_absolute() && !place.components().any(|part| part == std::path::Component::ParentDir);
    let allows = |rule: &Rule<'_>| match rule {
        Rule::Prefix(prefix) => prefix.is_empty(),
        Rule::Path(rule, below) => known && place.to_str().is_some_and(|place| is_at(place, rule, *below)),
        Rule::Name(_) | Rule::Malformed => false,
    };
    if rules.iter().any(allows) { Ok(()) } else { Err(refused(allowed, place.display().to_string())) }
}

fn refused(allowed: &[String], reference: String) -> TrustError {
    TrustError::NotAllowed { reference, allowed: entries(allowed).map(str::to_owned).collect() }
}

fn entries(allowed: &[String]) -> impl Iterator<Item = &str> {
    allowed.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty())
}

/// None when there are no rules, which allows everything.
fn rules<'r>(allowed: &'r [String], names: &Names) -> Option<Vec<Rule<'r>>> {
    let rules: Vec<_> = entries(allowed).map(|entry| rule(entry, names)).collect();
    (!rules.is_empty()).then_some(rules)
}

fn rule<'r>(entry: &'r str, names: &Names) -> Rule<'r> {
    let (text, below) = entry.strip_suffix('*').map_or((entry, false), |prefix| (prefix, true));
    if text.starts_with('/') {
        return Rule::Path(text, below);
    }
    if below {
        return Rule::Prefix(prefix(text, names));
    }
    names.parse(entry).map_or_else(
        |error| {
            tracing::warn!(entry, error = %error, "an entry of the allowed gadgets allows nothing");
            Rule::Malformed
        },
        Rule::Name,
    )
}

/// The beginning of a name, completed as far as it can be: with a slash, it has a registry or belongs to the default one; without, it is the
/// beginning of a gadget's name in the default folder.
fn prefix(text: &str, names: &Names) -> String {
    let default = |sample: &str| {
        let full = names.parse(sample).map(|r| format!("{}/{}", r.domain, r.repository)).unwrap_or_default();
        full.strip_suffix(sample).unwrap_or_default().to_owned()
    };
    match text.split_once('/') {
        _ if text.is_empty() => String::new(),
        None => default("x") + text,
        Some((first, _)) if names.parse(&format!("{first}/x/x")).is_ok_and(|r| r.domain == first) => text.to_owned(),
        Some(_) => default("x/x") + text,
    }
}

fn ask(rule: &Rule<'_>, reference: &Reference, digest: Option<&str>) -> Allowance {
    // The tag beside a digest is an ornament nobody has checked: only the digest counts.
    let tag = reference.tag.as_ref().filter(|_| reference.digest.is_none());
    match rule {
        Rule::Path(..) | Rule::Malformed => Allowance::Refused,
        Rule::Prefix(prefix) => {
            let name = Reference { tag: tag.cloned(), ..reference.clone() }.to_string();
            if name.starts_with(prefix) { Allowance::Allowed } else { Allowance::Refused }
        }
        Rule::Name(entry) if (&entry.domain, &entry.repository) != (&reference.domain, &reference.repository) => Allowance::Refused,
        Rule::Name(Reference { digest: None, tag: wanted, .. }) => {
            if tag.is_some() && tag == wanted.as_ref() {
                Allowance::Allowed
            } else {
                Allowance::Refused
            }
        }
        Rule::Name(Reference { digest: Some(wanted), tag: wanted_tag, .. }) => {
            let other_tag = matches!((wanted_tag, &reference.tag), (Some(wanted), Some(tag)) if wanted != tag);
            match digest {
                _ if other_tag => Allowance::Refused,
                None => Allowance::DependsOnDigest,
                Some(digest) if digest == wanted => Allowance::Allowed,
                Some(_) => Allowance::Refused,
            }
        }
    }
}

/// Whether a place is the one of a rule. That may be reached over links, so it is followed, too.
fn is_at(place: &str, rule: &str, below: bool) -> bool {
    let real = |path: &str| Path::new(path).canonicalize().ok().and_then(|path| path.to_str().map(str::to_owned));
    if !below {
        return place == rule.trim_end_matches('/') || real(rule).is_some_and(|real| real == place);
    }
    let (folder, rest) = rule.rsplit_once('/').unwrap_or(("", rule));
    let real = real(&format!("{folder}/")).map(|real| format!("{}/{rest}", real.trim_end_matches('/')));
    place.starts_with(rule) || real.is_some_and(|real| place.starts_with(&real))
}
