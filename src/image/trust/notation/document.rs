//! The trust policy document: read, checked as a whole, and the policy that goes for a repository.
//! Contract: "trust-store-trust-policy", section "Trust Policy Properties", version 1.0.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::identity::Identities;
use super::level::Level;
use super::refusal::shown;
use super::rules;

/// Bytes of a document.
const SIZE_LIMIT: usize = 256 * 1024;
/// Policies in a document, and scopes, stores and identities in a policy.
pub(super) const COUNT_LIMIT: usize = 256;

/// A document as it is written. What is missing is empty here, so that all that is wrong can be said at once.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    version: String,
    trust_policies: Vec<Written>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

/// A policy as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) registry_scopes: Vec<String>,
    pub(super) signature_verification: Verification,
    pub(super) trust_stores: Vec<String>,
    pub(super) trusted_identities: Vec<String>,
    #[serde(flatten)]
    pub(super) unknown: BTreeMap<String, Value>,
}

/// A level as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Verification {
    pub(super) level: String,
    #[serde(rename = "override")]
    pub(super) overridden: BTreeMap<String, String>,
    /// `always` or `afterCertExpiry`; without effect, as no timestamps are evaluated.
    pub(super) verify_timestamp: Option<String>,
    #[serde(flatten)]
    pub(super) unknown: BTreeMap<String, Value>,
}

/// A policy that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) name: String,
    /// `*`, or `registry/repository` each.
    pub(super) scopes: Vec<String>,
    pub(super) level: Level,
    /// A `ca` store is named: signatures of the scheme `notary.x509` are looked at.
    pub(super) ca: bool,
    /// A `signingAuthority` store is named: those of `notary.x509.signingAuthority`.
    pub(super) authority: bool,
    pub(super) identities: Identities,
}

/// Reads a document; all that is wrong with it when something is.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, Vec<String>> {
    if text.len() > SIZE_LIMIT {
        return Err(vec![format!("it has more than {SIZE_LIMIT} bytes")]);
    }
    let document: Document = serde_json::from_str(text).map_err(|error| vec![format!("it is no trust policy document: {error}")])?;
    let mut wrong = Vec::new();
    if document.version != "1.0" {
        wrong.push(format!("version is {:?}, only \"1.0\" is known", shown(&document.version)));
    }
    wrong.extend(document.unknown.keys().map(|key| format!("the field {:?} is unknown", shown(key))));
    if document.trust_policies.is_empty() || document.trust_policies.len() > COUNT_LIMIT {
        wrong.push(format!("trustPolicies must have 1 to {COUNT_LIMIT} policies"));
        return Err(wrong);
    }
    let mut statements = Vec::new();
    for (at, written) in document.trust_policies.iter().enumerate() {
        let name = if written.name.is_empty() { format!("policy {}", at + 1) } else { format!("policy {:?}", shown(&written.name)) };
        match rules::statement(written) {
            Ok(statement) => statements.push(statement),
            Err(reasons) => wrong.extend(reasons.into_iter().map(|reason| format!("{name}: {reason}"))),
        }
    }
    wrong.extend(repeated(&document.trust_policies));
    if wrong.is_empty() && statements.iter().all(|statement| statement.level == Level::Skip) {
        wrong.push("each policy has the level skip, so that nothing can be verified; turn verification off if that is meant".to_owned());
    }
    if wrong.is_empty() { Ok(statements) } else { Err(wrong) }
}

/// Names and scopes that are there more than once.
fn repeated(policies: &[Written]) -> Vec<String> {
    let (mut names, mut scopes, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for policy in policies {
        if !policy.name.is_empty() && !names.insert(&policy.name) {
            wrong.push(format!("the name {:?} is there twice", shown(&policy.name)));
        }
        for scope in &policy.registry_scopes {
            if !scopes.insert(scope) {
                wrong.push(format!("the scope {:?} is there twice", shown(scope)));
            }
        }
    }
    wrong
}

/// The policy for a repository (`registry/repository`): the one that names it, else the one for all.
pub(super) fn select<'a>(statements: &'a [Statement], repository: &str) -> Option<&'a Statement> {
    let with = |wanted: &str| statements.iter().find(|statement| statement.scopes.iter().any(|scope| scope == wanted));
    with(repository).or_else(|| with("*"))
}

/// The document with the keys of each object in order, so that documents that mean the same read the same.
pub(super) fn canonical(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| sorted(value).to_string())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<_, _> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}
