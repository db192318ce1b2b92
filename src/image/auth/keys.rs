//! Under which keys the credentials for a registry are found: hosts, hosts with a path, URLs, and the several names of Docker Hub.

/// The key Docker has for its own registry.
pub(super) const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// The name under which all names of Docker Hub are compared.
const HUB_HOST: &str = "index.docker.io";
/// Its further names.
const HUB_ALIASES: [&str; 3] = ["docker.io", "registry-1.docker.io", "registry.docker.io"];
/// Paths that an old key may have behind its host without meaning a repository.
const API_PATHS: [&str; 2] = ["v1", "v2"];

/// What a registry's name is compared as: lower case, one name for Docker Hub.
pub(super) fn host(registry: &str) -> String {
    let registry = registry.to_ascii_lowercase();
    if HUB_ALIASES.contains(&registry.as_str()) { HUB_HOST.to_owned() } else { registry }
}

/// The key to write, and what a helper is asked for.
pub(super) fn server(registry: &str) -> String {
    let host = host(registry);
    if host == HUB_HOST { DOCKER_HUB.to_owned() } else { host }
}

/// What a key of a file is compared as: `https://HOST/v1/` means `HOST`, `HOST/PATH` means what is below that path
/// (containers-auth.json(5)).
pub(super) fn normalised(key: &str) -> String {
    let bare = ["https://", "http://"].iter().find_map(|scheme| strip_prefix(key, scheme));
    let (name, path) = bare.unwrap_or(key).split_once('/').unwrap_or((bare.unwrap_or(key), ""));
    let path = path.trim_end_matches('/');
    if bare.is_some() || path.is_empty() || API_PATHS.contains(&path) { host(name) } else { format!("{}/{path}", host(name)) }
}

fn strip_prefix<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let head = text.get(..start.len())?;
    head.eq_ignore_ascii_case(start).then(|| text.get(start.len()..)).flatten()
}

/// The names to look for, the most specific one first: `HOST/A/B`, `HOST/A`, `HOST`.
pub(super) fn candidates(registry: &str, repository: &str) -> Vec<String> {
    let host = host(registry);
    let mut paths = vec![repository.trim_matches('/')];
    while let Some((parent, _)) = paths.last().and_then(|path| path.rsplit_once('/')) {
        paths.push(parent);
    }
    let below = paths.into_iter().filter(|path| !path.is_empty()).map(|path| format!("{host}/{path}"));
    below.chain([host.clone()]).collect()
}
