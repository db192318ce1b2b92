//! Which capabilities this process has, and which ones loading programs takes.

use std::io;

/// A capability that loading or attaching programs may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Creating maps and loading programs (5.8 and newer).
    Bpf,
    /// Tracing programs and perf events (5.8 and newer).
    Perfmon,
    /// Everything the other two stand for, on any kernel; iterators over all processes.
    SysAdmin,
}

impl Capability {
    /// All of them.
    pub const ALL: [Capability; 3] = [Capability::Bpf, Capability::Perfmon, Capability::SysAdmin];

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Bpf => "CAP_BPF",
            Capability::Perfmon => "CAP_PERFMON",
            Capability::SysAdmin => "CAP_SYS_ADMIN",
        }
    }

    fn bit(self) -> u32 {
        match self {
            Capability::SysAdmin => 21,
            Capability::Perfmon => 38,
            Capability::Bpf => 39,
        }
    }
}

/// The effective capabilities of this process as the kernel's bit mask.
///
/// # Errors
/// When `/proc/self/status` cannot be read.
pub fn effective() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    parse_effective(&status).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no CapEff in /proc/self/status"))
}

/// Names of the capabilities that tracing programs need and this process lacks; empty when it has all or nobody can tell.
pub fn missing_capabilities() -> Vec<&'static str> {
    effective().map(missing).unwrap_or_default()
}

/// Whether this process is in a user namespace of its own, in which capabilities mean less. False when nobody can tell.
pub fn in_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !maps_everybody(&map))
}

/// The first namespace maps all ids to themselves: `0 0 4294967295`.
pub(super) fn maps_everybody(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// CAP_SYS_ADMIN stands for the two narrower ones, not the other way round.
pub(super) fn missing(effective: u64) -> Vec<&'static str> {
    let has = |capability: Capability| effective >> capability.bit() & 1 == 1;
    if has(Capability::SysAdmin) {
        return Vec::new();
    }
    [Capability::Bpf, Capability::Perfmon].into_iter().filter(|c| !has(*c)).map(Capability::name).collect()
}

pub(super) fn parse_effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}
