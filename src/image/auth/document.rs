//! The format of Docker's `config.json`: `auths`, `credHelpers` and `credsStore`. All else in it is kept as it is.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::helper::TOKEN_USER;
use super::{Credentials, Secret, keys};

/// Base64 as it is written, and with or without padding as it is read.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The members of an entry that say who asks.
const SECRETS: [&str; 5] = ["auth", "username", "password", "identitytoken", "registrytoken"];

/// What a file has for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user; `<token>` for a token that names none.
    pub user: String,
    /// What is told to the registry.
    pub credentials: Credentials,
}

/// Such a file, taken apart.
#[derive(Clone, Default, PartialEq)]
pub struct Document(Map<String, Value>);

impl std::fmt::Debug for Document {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Document").field(&self.keys()).finish()
    }
}

impl Document {
    /// Takes a file apart; an empty one has nothing.
    ///
    /// # Errors
    /// When it is no JSON object, or what is known of it has another type.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Document::default());
        }
        let Value::Object(root) = serde_json::from_slice(bytes).map_err(Fault::Json)? else {
            return Err(shape("the document", "a JSON object"));
        };
        let document = Document(root);
        document.object("auths")?;
        let helpers = document.object("credHelpers")?;
        if let Some((key, _)) = helpers.and_then(|all| all.iter().find(|(_, name)| !name.is_string())) {
            return Err(shape(&format!("credHelpers[{}]", shown(key)), "a string"));
        }
        text(&document.0, "credsStore", "credsStore")?;
        Ok(document)
    }

    /// As it is written, with a newline at its end.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A map of values always serialises.
        let mut bytes = serde_json::to_vec_pretty(&self.0).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The keys of `auths`, as they are written.
    pub fn keys(&self) -> Vec<&str> {
        self.auths().map(|(key, _)| key.as_str()).collect()
    }

    /// The registries that have a helper of their own, and its name.
    pub fn helpers(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.get("credHelpers").and_then(Value::as_object).into_iter().flatten();
        all.filter_map(|(key, name)| Some((key.as_str(), name.as_str()?))).filter(|(_, name)| !name.is_empty())
    }

    /// The helper of a registry alone.
    pub fn own_helper(&self, registry: &str, repository: &str) -> Option<&str> {
        let wanted = keys::candidates(registry, repository);
        let found = |wanted: &String| self.helpers().find(|(key, _)| keys::normalised(key) == *wanted);
        wanted.iter().find_map(found).map(|(_, name)| name)
    }

    /// The helper of all registries without one of their own.
    pub fn common_helper(&self) -> Option<&str> {
        self.0.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// Whether `auths` mentions a registry, be it without credentials: these are in a helper then.
    pub fn mentions(&self, registry: &str, repository: &str) -> bool {
        self.entry(registry, repository).is_some()
    }

    /// What the file itself has for a registry and a repository there; the most specific entry counts.
    ///
    /// # Errors
    /// When the entry is malformed.
    pub fn find(&self, registry: &str, repository: &str) -> Result<Option<Login>, Fault> {
        match self.entry(registry, repository) {
            Some((key, value)) => login(key, value),
            None => Ok(None),
        }
    }

    /// Keeps user and password for a registry in the place of what was there.
    pub fn put(&mut self, registry: &str, user: &str, password: &Secret) {
        let text = zeroize::Zeroizing::new(format!("{user}:{}", password.reveal()));
        self.set(registry, Some(BASE64.encode(text.as_bytes())));
    }

    /// Notes that a helper has the credentials for a registry, and forgets those that were in the file.
    pub fn refer(&mut self, registry: &str) {
        self.set(registry, None);
    }

    /// Forgets a registry; whether there was something.
    pub fn remove(&mut self, registry: &str) -> bool {
        let wanted = keys::host(registry);
        let Some(Value::Object(auths)) = self.0.get_mut("auths") else { return false };
        let before = auths.len();
        auths.retain(|key, _| keys::normalised(key) != wanted);
        auths.len() != before
    }

    /// Forgets all registries; how many there were.
    pub fn clear(&mut self) -> usize {
        match self.0.get_mut("auths") {
            Some(Value::Object(auths)) => std::mem::take(auths).len(),
            _ => 0,
        }
    }

    /// Gives the entry of a registry that `auth` alone; the rest of what is secret in it goes, and further entries of the same registry.
    fn set(&mut self, registry: &str, auth: Option<String>) {
        let wanted = keys::host(registry);
        let first = self.auths().map(|(key, _)| key).find(|key| keys::normalised(key) == wanted).cloned();
        let key = first.unwrap_or_else(|| keys::server(registry));
        let mut auths = taken(&mut self.0, "auths");
        auths.retain(|other, _| *other == key || keys::normalised(other) != wanted);
        let mut entry = taken(&mut auths, &key);
        for member in SECRETS {
            entry.shift_remove(member);
        }
        entry.extend(auth.map(|auth| ("auth".to_owned(), Value::String(auth))));
        auths.insert(key, Value::Object(entry));
        self.0.insert("auths".to_owned(), Value::Object(auths));
    }

    fn auths(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get("auths").and_then(Value::as_object).into_iter().flatten()
    }

    fn entry(&self, registry: &str, repository: &str) -> Option<(&String, &Value)> {
        let exact = |wanted: &String| self.auths().find(|(key, _)| *key == wanted);
        let meant = |wanted: &String| self.auths().find(|(key, _)| keys::normalised(key) == *wanted);
        keys::candidates(registry, repository).iter().find_map(|wanted| exact(wanted).or_else(|| meant(wanted)))
    }

    fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(shape(name, "a JSON object")),
        }
    }
}

/// The object of that name, which is left empty; anything else counts as an empty one.
fn taken(map: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match map.get_mut(name) {
        Some(Value::Object(object)) => std::mem::take(object),
        _ => Map::new(),
    }
}

fn login(key: &str, value: &Value) -> Result<Option<Login>, Fault> {
    let at = format!("auths[{}]", shown(key));
    let Some(entry) = value.as_object() else { return Err(shape(&at, "a JSON object")) };
    let member = |name: &str| text(entry, name, &format!("{at}.{name}"));
    let (mut user, mut password) = (member("username")?.map(str::to_owned), member("password")?.map(Secret::new));
    if let Some(auth) = member("auth")? {
        let (name, secret) = decoded(auth).ok_or_else(|| Fault::Encoding { at: format!("{at}.auth") })?;
        (user, password) = (Some(name), Some(secret));
    }
    let user = user.filter(|user| !user.is_empty());
    let credentials = match (member("registrytoken")?, member("identitytoken")?, &user, password) {
        (Some(token), _, _, _) => Credentials::Bearer(Secret::new(token)),
        (None, Some(token), _, _) => Credentials::Identity(Secret::new(token)),
        (None, None, Some(user), Some(password)) => Credentials::Basic { user: user.clone(), password },
        _ => return Ok(None),
    };
    Ok(Some(Login { user: user.unwrap_or_else(|| TOKEN_USER.to_owned()), credentials }))
}

/// `USER:PASSWORD`; old versions of Docker filled the password up with zeros.
fn decoded(auth: &str) -> Option<(String, Secret)> {
    let bytes = zeroize::Zeroizing::new(BASE64.decode(auth.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some((user.to_owned(), Secret::new(password.trim_end_matches('\0'))))
}

/// A member that is a string, if it is there and not empty.
fn text<'m>(map: &'m Map<String, Value>, name: &str, at: &str) -> Result<Option<&'m str>, Fault> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(shape(at, "a string")),
    }
}

fn shape(at: &str, expected: &'static str) -> Fault {
    Fault::Shape { at: at.to_owned(), expected }
}

/// A key as messages show it.
fn shown(key: &str) -> String {
    format!("{:?}", key.chars().take(128).collect::<String>())
}
