//! Distinguished names: the trusted identities of a policy and the subjects of certificates, compared attribute by attribute.
//! Contract: "trust-store-trust-policy", section "Trusted Identities Constraints"; text form of RFC 4514.

use std::collections::BTreeMap;

use x509_parser::x509::X509Name;

use super::refusal::shown;

/// What an identity has to name.
const REQUIRED: [&str; 3] = ["C", "ST", "O"];
/// Short names by object identifier (RFC 4514 section 3 and the names in common use).
const TYPES: [(&str, &str); 12] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.17", "POSTALCODE"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

/// Whose signatures are trusted, among those that chain to the trust store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identities {
    /// `*`.
    Any,
    /// Certificates whose subject has all attributes of one of these.
    Subjects(Vec<Identity>),
}

/// Attributes of a distinguished name, each type once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(BTreeMap<String, String>);

impl Identity {
    /// From what follows `x509.subject:`. The reason when it is malformed or lacks C, ST or O.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut attributes = BTreeMap::new();
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=').ok_or("an attribute without =")?;
            let name = type_name(name.trim()).ok_or_else(|| format!("the attribute type {:?} is unknown", shown(name.trim())))?;
            let (value, end) = value(after)?;
            if value.is_empty() {
                return Err(format!("{name} is empty"));
            }
            if attributes.insert(name.clone(), value).is_some() {
                return Err(format!("{name} is there twice"));
            }
            match end {
                Some(next) => rest = next,
                None => break,
            }
        }
        let missing: Vec<_> = REQUIRED.into_iter().filter(|name| !attributes.contains_key(*name)).collect();
        if missing.is_empty() { Ok(Identity(attributes)) } else { Err(format!("{} must be named, too", missing.join(", "))) }
    }

    /// Whether a certificate with the subject is meant. An attribute that the subject has several times is none.
    pub(super) fn matches(&self, subject: &X509Name<'_>) -> bool {
        self.0.iter().all(|(name, value)| {
            let mut found = subject.iter_attributes().filter(|attribute| oid_name(&attribute.attr_type().to_id_string()) == *name);
            found.next().is_some_and(|attribute| attribute.as_str().is_ok_and(|text| text == value)) && found.next().is_none()
        })
    }

    /// Whether each certificate that `other` means is meant by this one, too.
    pub(super) fn covers(&self, other: &Identity) -> bool {
        self.0.iter().all(|(name, value)| other.0.get(name) == Some(value))
    }
}

fn oid_name(oid: &str) -> String {
    TYPES.iter().find(|(known, _)| *known == oid).map_or(oid, |(_, name)| name).to_owned()
}

/// The name by which an attribute type is compared: short where there is a short one.
fn type_name(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    if upper == "S" {
        return Some("ST".to_owned());
    }
    let dotted = text.contains('.') && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if dotted {
        return Some(oid_name(text));
    }
    TYPES.iter().any(|(_, name)| *name == upper).then_some(upper)
}

/// A value and, after a comma, what follows. Spaces around it do not count unless they are escaped.
fn value(text: &str) -> Result<(String, Option<&str>), String> {
    let text = text.trim_start_matches(' ');
    let (mut bytes, mut kept, mut rest) = (Vec::new(), 0, text);
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            ',' => {
                bytes.truncate(kept);
                return Ok((into_text(bytes)?, Some(after)));
            }
            ';' | '+' => {
                return Err(format!("{first} in a value must be escaped as \\{first}; several attributes in one RDN are not supported"));
            }
            '\\' => {
                rest = escaped(after, &mut bytes)?;
                kept = bytes.len();
                continue;
            }
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        if first != ' ' {
            kept = bytes.len();
        }
        rest = after;
    }
    bytes.truncate(kept);
    Ok((into_text(bytes)?, None))
}

/// What follows a backslash: two hexadecimal digits for a byte, or a character as it is.
fn escaped<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    if let Some(byte) =
        text.get(..2).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|pair| u8::from_str_radix(pair, 16).ok())
    {
        bytes.push(byte);
        return Ok(text.get(2..).unwrap_or_default());
    }
    let next = text.chars().next().ok_or("a backslash at the end")?;
    bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(text.get(next.len_utf8()..).unwrap_or_default())
}

fn into_text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "a value is not UTF-8".to_owned())
}
