//! The registry that a person means.

/// `HOST` or `HOST:PORT` out of that, or of a URL or an image's name.
pub(in crate::cli) fn normalised(text: &str) -> Result<String, String> {
    let refused = |reason: &str| Err(format!("{:?} is no registry: {reason}", text.chars().take(256).collect::<String>()));
    let bare = match text.split_once("://") {
        Some((scheme, rest)) if ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => rest,
        Some(_) => return refused("only https and http are known in front of it"),
        None => text,
    };
    let host = bare.split('/').next().unwrap_or_default();
    if host.is_empty() {
        return refused("it has no host");
    }
    if host.contains('@') {
        return refused("a user does not belong in front of it; use --username");
    }
    let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| !port.bytes().all(|b| b.is_ascii_digit()) || !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return refused("its port is not a number up to 65535");
    }
    if name.len() > 253 || !name.split('.').all(is_label) {
        return refused("its host may have letters, digits, dots and, inside, dashes");
    }
    Ok(host.to_ascii_lowercase())
}

fn is_label(label: &str) -> bool {
    let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}
