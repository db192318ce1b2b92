//! Verification levels: which failed check refuses a signature, which is only logged.
//! Contract: "trust-store-trust-policy", sections "Signature Verification details" and "Custom Verification Level".

use std::collections::BTreeMap;

use super::refusal::{Check, shown};

/// What a failed check leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Enforce,
    Log,
    Skip,
}

/// What a policy asks of signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Level {
    /// Nothing is looked at, so nothing counts as verified either.
    Skip,
    /// Each check with what its failure leads to; integrity is always enforced.
    Checks(BTreeMap<Check, Action>),
}

impl Level {
    /// A level by its name and what is overridden; all that is wrong with them.
    pub(super) fn parse(name: &str, overridden: &BTreeMap<String, String>) -> Result<Self, Vec<String>> {
        use Action::{Enforce, Log};
        use Check::{AuthenticTimestamp, Authenticity, Expiry, Revocation};
        let actions = match name {
            "strict" => [Enforce, Enforce, Enforce, Enforce],
            "permissive" => [Enforce, Log, Log, Log],
            "audit" => [Log, Log, Log, Log],
            "skip" if overridden.is_empty() => return Ok(Level::Skip),
            "skip" => return Err(vec!["the level skip takes no override".to_owned()]),
            "" => return Err(vec!["signatureVerification.level is missing".to_owned()]),
            other => return Err(vec![format!("the level {:?} is none of strict, permissive, audit, skip", shown(other))]),
        };
        let mut checks: BTreeMap<_, _> = [Authenticity, AuthenticTimestamp, Expiry, Revocation].into_iter().zip(actions).collect();
        let mut wrong = Vec::new();
        for (check, action) in overridden {
            match override_of(check, action) {
                Ok((check, action)) => drop(checks.insert(check, action)),
                Err(reason) => wrong.push(reason),
            }
        }
        if wrong.is_empty() { Ok(Level::Checks(checks)) } else { Err(wrong) }
    }

    /// What the failure of a check leads to.
    pub(super) fn action(&self, check: Check) -> Action {
        match self {
            Level::Skip => Action::Skip,
            Level::Checks(checks) => checks.get(&check).copied().unwrap_or(Action::Enforce),
        }
    }
}

fn override_of(check: &str, action: &str) -> Result<(Check, Action), String> {
    let known = [Check::Authenticity, Check::AuthenticTimestamp, Check::Expiry, Check::Revocation];
    let found = known.into_iter().find(|known| known.to_string() == check);
    let Some(found) = found else {
        let reason =
            if check == "integrity" { "cannot be overridden" } else { "is none of authenticity, authenticTimestamp, expiry, revocation" };
        return Err(format!("the override {:?} {reason}", shown(check)));
    };
    match action {
        "enforce" => Ok((found, Action::Enforce)),
        "log" => Ok((found, Action::Log)),
        "skip" if found == Check::Revocation => Ok((found, Action::Skip)),
        "skip" => Err(format!("the override of {found} may be enforce or log, not skip")),
        other => Err(format!("the override of {found} is {:?}, which is none of enforce, log, skip", shown(other))),
    }
}
