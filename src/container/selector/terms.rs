//! The values of a selector: lists or comma separated text, with `!` for exclusions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Digits by which hashes are told apart.
const HASH_DIGITS: usize = 12;

/// A value of a selector that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTerm {
    /// Nothing between two commas, or behind an exclamation mark.
    #[error("empty value in {0:?}")]
    Empty(String),
    /// A label without a value, or with two.
    #[error("label {0:?} is not of the form key=value")]
    Label(String),
}

/// Exact values that a text may have, and values it may not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Terms {
    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        self.included.is_empty() && self.excluded.is_empty()
    }

    /// Whether none of `values` is excluded and, if values are listed, one of them is listed.
    pub fn matches_any<const N: usize>(&self, values: [&str; N]) -> bool {
        let among = |list: &[String]| list.iter().any(|term| values.contains(&term.as_str()));
        !among(&self.excluded) && (self.included.is_empty() || among(&self.included))
    }

    /// The same for a hash such as `sha256:0123...`, of which algorithm and all but the first digits do not count.
    pub fn matches_hash(&self, value: &str) -> bool {
        let among = |list: &[String]| list.iter().any(|term| short(term) == short(value));
        !among(&self.excluded) && (self.included.is_empty() || among(&self.included))
    }

    fn add(&mut self, list: &str) -> Result<(), InvalidTerm> {
        for term in list.split(',').map(str::trim) {
            let (to, value) = match term.strip_prefix('!') {
                Some(value) => (&mut self.excluded, value),
                None => (&mut self.included, term),
            };
            if value.is_empty() {
                return Err(InvalidTerm::Empty(list.to_owned()));
            }
            to.push(value.to_owned());
        }
        Ok(())
    }
}

/// The first digits of a hash, without its algorithm.
fn short(hash: &str) -> &str {
    let digits = hash.rsplit_once(':').map_or(hash, |(_, digits)| digits);
    digits.get(..HASH_DIGITS).unwrap_or(digits)
}

impl FromStr for Terms {
    type Err = InvalidTerm;

    /// `a,b,!c`; the empty text is no condition.
    fn from_str(text: &str) -> Result<Self, InvalidTerm> {
        let mut terms = Terms::default();
        if !text.trim().is_empty() {
            terms.add(text)?;
        }
        Ok(terms)
    }
}

/// Labels that have to be there, with or without a value, or must not have a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelTerms(Vec<LabelTerm>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct LabelTerm {
    key: String,
    value: String,
    rule: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// `key=value`
    Equal,
    /// `key=!value`: there, but another.
    Different,
    /// `!key=value`: not there, or another.
    Not,
}

impl LabelTerms {
    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every condition holds.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|term| {
            let value = labels.get(&term.key);
            match term.rule {
                Rule::Equal => value == Some(&term.value),
                Rule::Different => value.is_some_and(|v| *v != term.value),
                Rule::Not => value != Some(&term.value),
            }
        })
    }

    fn add_pair(&mut self, key: &str, value: &str) -> Result<(), InvalidTerm> {
        let whole = || format!("{key}={value}");
        let (rule, bare_key, bare_value) = match (key.strip_prefix('!'), value.strip_prefix('!')) {
            (Some(_), Some(_)) => return Err(InvalidTerm::Label(whole())),
            (Some(key), None) => (Rule::Not, key, value),
            (None, Some(value)) => (Rule::Different, key, value),
            (None, None) => (Rule::Equal, key, value),
        };
        if bare_key.is_empty() {
            return Err(InvalidTerm::Label(whole()));
        }
        self.0.push(LabelTerm { key: bare_key.to_owned(), value: bare_value.to_owned(), rule });
        Ok(())
    }

    fn add(&mut self, list: &str) -> Result<(), InvalidTerm> {
        for pair in list.split(',').map(str::trim) {
            match pair.split_once('=') {
                Some((key, value)) if !value.contains('=') => self.add_pair(key.trim(), value.trim())?,
                _ => return Err(InvalidTerm::Label(pair.to_owned())),
            }
        }
        Ok(())
    }
}

impl FromStr for LabelTerms {
    type Err = InvalidTerm;

    /// `a=b,c=!d,!e=f`; the empty text is no condition.
    fn from_str(text: &str) -> Result<Self, InvalidTerm> {
        let mut terms = LabelTerms::default();
        if !text.trim().is_empty() {
            terms.add(text)?;
        }
        Ok(terms)
    }
}

struct TermsVisitor;

impl<'de> Visitor<'de> for TermsVisitor {
    type Value = Terms;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names or names separated by commas")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Terms, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Terms, A::Error> {
        let mut terms = Terms::default();
        while let Some(item) = items.next_element::<String>()? {
            terms.add(&item).map_err(A::Error::custom)?;
        }
        Ok(terms)
    }
}

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TermsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = LabelTerms;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of labels or key=value pairs")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LabelTerms, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<LabelTerms, A::Error> {
        let mut terms = LabelTerms::default();
        while let Some(item) = items.next_element::<String>()? {
            terms.add(&item).map_err(A::Error::custom)?;
        }
        Ok(terms)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<LabelTerms, A::Error> {
        let mut terms = LabelTerms::default();
        while let Some((key, value)) = items.next_entry::<String, String>()? {
            terms.add_pair(&key, &value).map_err(A::Error::custom)?;
        }
        Ok(terms)
    }
}

impl<'de> Deserialize<'de> for LabelTerms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelsVisitor)
    }
}

impl JsonSchema for Terms {
    fn schema_name() -> Cow<'static, str> {
        "ContainerTerms".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Exact values, one of which has to match; !value excludes. A list, or text separated by commas.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        })
    }
}

impl JsonSchema for LabelTerms {
    fn schema_name() -> Cow<'static, str> {
        "ContainerLabels".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Labels that all have to match: key: value, key: \"!value\" (there, but another), \"!key\": value (not that value).",
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": "string"}},
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}}
            ]
        })
    }
}
