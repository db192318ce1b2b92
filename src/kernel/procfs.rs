//! What `/proc` says about a process: namespaces, cgroups, when it started.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{clock, host_path};

/// One line of `/proc/<pid>/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupLine {
    /// Number of the hierarchy; 0 is cgroup v2.
    pub hierarchy: u32,
    /// Controllers of a v1 hierarchy, comma separated, or `name=…`; empty for v2.
    pub controllers: String,
    /// Path from the root of the hierarchy.
    pub path: String,
}

/// Inode of a namespace of a process. `kind` is the name in `/proc/<pid>/ns`: `mnt`, `net`, `pid`, `cgroup`, …
///
/// # Errors
/// When the process is gone, or may not be looked at.
pub fn namespace_inode(pid: u32, kind: &str) -> io::Result<u64> {
    let link = std::fs::read_link(of(pid).join("ns").join(kind))?;
    parse_namespace(&link).ok_or_else(|| invalid(format!("namespace link {link:?}")))
}

/// The cgroups of a process, in the kernel's order.
///
/// # Errors
/// When the process is gone, or may not be looked at.
pub fn cgroups(pid: u32) -> io::Result<Vec<CgroupLine>> {
    // At once: such a file does not tell its length.
    let mut text = String::with_capacity(4096);
    File::open(of(pid).join("cgroup"))?.read_to_string(&mut text)?;
    Ok(text.lines().filter_map(parse_cgroup).collect())
}

/// When a process started, in clock ticks since boot. Together with the pid it names a process for good.
///
/// # Errors
/// When the process is gone, or may not be looked at.
pub fn start_time(pid: u32) -> io::Result<u64> {
    let stat = std::fs::read(of(pid).join("stat"))?;
    parse_start_time(&stat).ok_or_else(|| invalid(format!("stat of process {pid}")))
}

/// When a process started, in nanoseconds since the Unix epoch, to a clock tick.
///
/// # Errors
/// When the process is gone, or may not be looked at.
pub fn started_at(pid: u32) -> io::Result<i64> {
    let seconds = start_time(pid)? as f64 / clock::ticks_per_second();
    Ok(clock::boot_to_unix((seconds * 1e9) as u64) as i64)
}

fn of(pid: u32) -> PathBuf {
    host_path(Path::new("/proc")).join(pid.to_string())
}

/// `mnt:[4026531841]`.
pub(super) fn parse_namespace(link: &Path) -> Option<u64> {
    link.to_str()?.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
}

/// `4:memory,cpu:/docker/abc`; the path may hold colons.
pub(super) fn parse_cgroup(line: &str) -> Option<CgroupLine> {
    let mut parts = line.splitn(3, ':');
    let hierarchy = parts.next()?.parse().ok()?;
    Some(CgroupLine { hierarchy, controllers: parts.next()?.to_owned(), path: parts.next()?.to_owned() })
}

/// Field 22 of `stat`. The name in field 2 may hold blanks and parentheses, so counting starts behind the last one.
pub(super) fn parse_start_time(stat: &[u8]) -> Option<u64> {
    let end_of_name = stat.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {what}"))
}
