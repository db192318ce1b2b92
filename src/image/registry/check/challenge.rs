//! What a registry asks for: the challenges of `WWW-Authenticate` (RFC 9110 section 11.6.1).

/// Longest header that is looked at, in bytes.
const LIMIT: usize = 8 << 10;
/// Challenges, and parameters of one, that are kept.
const COUNT: usize = 32;

/// One way to say who one is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `basic`, `bearer`, ..., in lower case.
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter: `realm`, `service`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The challenges of a header. What cannot be understood is left out.
pub fn challenges(header: &str) -> Vec<Challenge> {
    let mut rest = header.get(..LIMIT).unwrap_or(header);
    let mut found: Vec<Challenge> = Vec::new();
    while !rest.is_empty() && found.len() < COUNT {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, behind) = token(rest);
        if word.is_empty() {
            // Something that has no place here.
            let mut characters = rest.chars();
            characters.next();
            rest = characters.as_str();
            continue;
        }
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            found.push(Challenge { scheme: word.to_ascii_lowercase(), ..Challenge::default() });
            rest = behind;
            continue;
        };
        let (value, behind) = quoted(value.trim_start()).unwrap_or_else(|| {
            let (value, behind) = token(value.trim_start());
            (value.to_owned(), behind)
        });
        rest = behind;
        if let Some(challenge) = found.last_mut().filter(|challenge| challenge.parameters.len() < COUNT) {
            challenge.parameters.push((word.to_ascii_lowercase(), value));
        }
    }
    found
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:?".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A text in quotes, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    while let Some(c) = characters.next() {
        match c {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.extend(characters.next()),
            c => value.push(c),
        }
    }
    Some((value, ""))
}
