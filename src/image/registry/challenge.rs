//! What a registry wants to be told before it answers: the header `WWW-Authenticate` (RFC 9110, section 11.6.1).

/// Bytes of the header that are looked at.
const LIMIT: usize = 8 << 10;

/// A challenge that can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password.
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        /// URL of the token server.
        realm: String,
        /// What it is to be asked for.
        service: Option<String>,
    },
}

/// The challenge in the header; a token is preferred where several are named. None when there is none that can be met.
pub fn parse(header: &str) -> Option<Challenge> {
    let header = header.get(..LIMIT.min(header.len()))?;
    let lower = header.to_ascii_lowercase();
    if let Some(at) = scheme(&lower, "bearer") {
        let rest = header.get(at..)?;
        if let Some(realm) = parameter(rest, "realm") {
            return Some(Challenge::Bearer { realm, service: parameter(rest, "service") });
        }
    }
    scheme(&lower, "basic").map(|_| Challenge::Basic)
}

/// Where the parameters of a scheme begin, which stands at the start or behind a comma, outside of quotes.
fn scheme(lower: &str, name: &str) -> Option<usize> {
    let (mut quoted, mut fresh) = (false, true);
    for (at, character) in lower.char_indices() {
        if fresh && !quoted && lower.get(at..).is_some_and(|rest| rest.starts_with(name)) {
            let end = at + name.len();
            if lower.get(end..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ','])) {
                return Some(end);
            }
        }
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fresh = true,
            ' ' => {}
            _ => fresh = false,
        }
    }
    None
}

/// The value of a parameter, quoted or not.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let (key, after) = rest.split_once('=')?;
        let (value, behind) = match after.strip_prefix('"') {
            Some(inner) => inner.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = behind;
    }
}
