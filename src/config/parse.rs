//! Texts with a form of their own: durations, addresses to listen on, URLs. Each error completes "expected …".

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::component::duration;
use crate::exporter::sender::units;
use crate::loader::SocketFields;

/// Longest duration: a year.
const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// A duration as Go and the OpenTelemetry Collector write them: `300ms`, `1.5s`, `1h30m`, `0`.
///
/// # Errors
/// What was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).filter(|d| *d <= MAX).ok_or_else(|| "a duration such as 500ms, 10s or 1m30s".to_owned())
}

/// An address to listen on: `IP:port`, `[IPv6]:port` or `localhost:port`.
///
/// # Errors
/// What was expected.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let literal = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    literal.as_deref().unwrap_or(text).parse().map_err(|_| "an address and port such as 127.0.0.1:8888 or [::]:8888".to_owned())
}

/// An `http://` or `https://` URL with a host.
///
/// # Errors
/// What was expected.
pub fn http_url(text: &str) -> Result<(), String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with(['/', ':']) && !host.contains(char::is_whitespace) => Ok(()),
        _ => Err("a URL such as http://127.0.0.1:4317".to_owned()),
    }
}

/// What a gadget's buffer can have, in bytes.
pub const BUFFER_SIZES: RangeInclusive<u64> = 4096..=512 << 20;

/// The size of a gadget's buffer in bytes: `4MiB`, `65536`.
///
/// # Errors
/// What was expected.
pub fn buffer_size(text: &str) -> Result<u64, String> {
    let size = units::parse_size(text).ok().filter(|size| BUFFER_SIZES.contains(size));
    size.ok_or_else(|| "a size from 4KiB to 512MiB such as 4MiB".to_owned())
}

/// What is to be known about sockets: a list of `name` or `name=size`.
///
/// # Errors
/// What was expected.
pub fn socket_fields<T: AsRef<str>>(fields: &[T]) -> Result<SocketFields, String> {
    let fields = SocketFields::of(fields.iter().map(AsRef::as_ref));
    fields.map_err(|_| "cwd or exepath, alone or with a size that is a power of two up to 4096, such as cwd=512".to_owned())
}

/// Checks `text` against one of the formats of our schemas; formats of others are not checked here.
///
/// # Errors
/// What was expected.
pub fn format(name: &str, text: &str) -> Result<(), String> {
    match name {
        "duration" => duration(text).map(drop),
        "socket-field" => socket_fields(&[text]).map(drop),
        "listen-address" => listen_address(text).map(drop),
        "listen-address-or-empty" if text.is_empty() => Ok(()),
        "listen-address-or-empty" => listen_address(text).map(drop),
        "buffer-size" => buffer_size(text).map(drop),
        "http-url" => http_url(text),
        "absolute-path" if !text.starts_with('/') => Err("an absolute path such as /run/docker.sock".to_owned()),
        _ => Ok(()),
    }
}
