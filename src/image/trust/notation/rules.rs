//! What has to hold of one policy of the document.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{COUNT_LIMIT, Statement, Verification, Written};
use super::identity::{Identities, Identity};
use super::level::Level;
use super::refusal::shown;
use crate::image::reference::Reference;

/// A policy that holds, or all that is wrong with it.
pub(super) fn statement(written: &Written) -> Result<Statement, Vec<String>> {
    let mut wrong = unknown("", &written.unknown);
    if written.name.is_empty() {
        wrong.push("name is missing".to_owned());
    }
    let lists = [written.registry_scopes.len(), written.trust_stores.len(), written.trusted_identities.len()];
    if lists.into_iter().any(|count| count > COUNT_LIMIT) {
        wrong.push(format!("a list has more than {COUNT_LIMIT} entries"));
        return Err(wrong);
    }
    let verification = &written.signature_verification;
    wrong.extend(verification_faults(verification));
    wrong.extend(scope_faults(&written.registry_scopes));
    let level = Level::parse(&verification.level, &verification.overridden).unwrap_or_else(|reasons| {
        wrong.extend(reasons);
        Level::Checks(BTreeMap::new())
    });
    let (mut stores, mut identities) = ((false, false), Identities::Any);
    if level == Level::Skip {
        wrong.extend(skip_faults(written));
    } else {
        stores = trust_stores(&written.trust_stores, &mut wrong);
        identities = trusted(&written.trusted_identities, &mut wrong);
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let (name, scopes) = (written.name.clone(), written.registry_scopes.clone());
    Ok(Statement { name, scopes, level, ca: stores.0, authority: stores.1, identities })
}

fn unknown(within: &str, fields: &BTreeMap<String, Value>) -> Vec<String> {
    fields.keys().map(|key| format!("the field {:?} is unknown", shown(&format!("{within}{key}")))).collect()
}

fn verification_faults(verification: &Verification) -> Vec<String> {
    let mut wrong = unknown("signatureVerification.", &verification.unknown);
    if let Some(when) = verification.verify_timestamp.as_deref().filter(|when| !matches!(*when, "always" | "afterCertExpiry")) {
        wrong.push(format!("verifyTimestamp is {:?}, which is none of always, afterCertExpiry", shown(when)));
    }
    wrong
}

fn skip_faults(written: &Written) -> Vec<String> {
    let mut wrong = Vec::new();
    if !written.trust_stores.is_empty() || !written.trusted_identities.is_empty() {
        wrong.push("a policy with the level skip has no trustStores and no trustedIdentities".to_owned());
    }
    if written.registry_scopes.iter().any(|scope| scope == "*") {
        wrong.push("the level skip is not for the scope *".to_owned());
    }
    wrong
}

/// Scopes are `*` alone, or full names of repositories.
fn scope_faults(scopes: &[String]) -> Vec<String> {
    if scopes.is_empty() {
        return vec!["registryScopes is missing".to_owned()];
    }
    let mut wrong = Vec::new();
    for scope in scopes {
        if scope == "*" && scopes.len() > 1 {
            wrong.push("the scope * is not together with others".to_owned());
        }
        if scope != "*" && !is_repository(scope) {
            wrong.push(format!("the scope {:?} is neither * nor registry/repository, without tag, digest and further *", shown(scope)));
        }
    }
    wrong
}

/// Whether a text is the full name of a repository: nothing is left to complete, and there is neither tag nor digest.
fn is_repository(text: &str) -> bool {
    Reference::parse(text).is_ok_and(|name| format!("{}/{}", name.domain, name.repository) == text)
}

/// Whether `ca` and `signingAuthority` stores are among those named. Their names do not matter: the configured certificates make up each.
fn trust_stores(stores: &[String], wrong: &mut Vec<String>) -> (bool, bool) {
    let (mut ca, mut authority, before) = (false, false, wrong.len());
    for store in stores {
        let (kind, name) = store.split_once(':').unwrap_or((store, ""));
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        match kind {
            "ca" if plain => ca = true,
            "signingAuthority" if plain => authority = true,
            "tsa" if plain => {}
            _ => wrong.push(format!("the trust store {:?} is none of ca:NAME, signingAuthority:NAME, tsa:NAME", shown(store))),
        }
    }
    if wrong.len() == before && !ca && !authority {
        wrong.push("trustStores must name a ca or signingAuthority store".to_owned());
    }
    (ca, authority)
}

/// `*` alone, or subjects none of which covers another.
fn trusted(texts: &[String], wrong: &mut Vec<String>) -> Identities {
    if texts.iter().any(|text| text == "*") {
        if texts.len() > 1 {
            wrong.push("the identity * is not together with others".to_owned());
        }
        return Identities::Any;
    }
    if texts.is_empty() {
        wrong.push("trustedIdentities is missing".to_owned());
    }
    let mut subjects: Vec<(&String, Identity)> = Vec::new();
    for text in texts {
        let parsed = match text.split_once(':') {
            Some(("x509.subject", subject)) => Identity::parse(subject),
            _ => Err("it is neither * nor x509.subject: and a distinguished name".to_owned()),
        };
        match parsed {
            Ok(identity) => {
                if let Some((other, _)) = subjects.iter().find(|(_, other)| other.covers(&identity) || identity.covers(other)) {
                    wrong.push(format!("the identities {:?} and {:?} overlap", shown(other), shown(text)));
                }
                subjects.push((text, identity));
            }
            Err(reason) => wrong.push(format!("the identity {:?}: {reason}", shown(text))),
        }
    }
    Identities::Subjects(subjects.into_iter().map(|(_, identity)| identity).collect())
}
