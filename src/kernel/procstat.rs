//! What `/proc` says about all processes at one moment: times, memory, state.

use std::io;
use std::path::{Path, PathBuf};

use super::{host_path, procfs};

/// One process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessStat {
    /// Process id.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// Name, at most 15 bytes.
    pub comm: String,
    /// One letter, as in `/proc/<pid>/stat`.
    pub state: char,
    /// Kernel priority.
    pub priority: i64,
    /// Nice value, -20 to 19.
    pub nice: i64,
    /// User and system time together, in clock ticks.
    pub cpu_ticks: u64,
    /// Number of threads.
    pub threads: i64,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// Address space in bytes.
    pub virtual_bytes: u64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Resident memory that is shared (files and shared memory), in bytes.
    pub shared_bytes: u64,
    /// Real user id.
    pub uid: u32,
    /// Inode of the mount namespace; 0 when it may not be seen.
    pub mntns: u64,
}

/// The ids of all processes.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn processes() -> io::Result<Vec<u32>> {
    let entries = std::fs::read_dir(host_path(Path::new("/proc")))?;
    Ok(entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect())
}

/// A process as it is now.
///
/// # Errors
/// When it is gone, or may not be looked at.
pub fn process(pid: u32) -> io::Result<ProcessStat> {
    let folder: PathBuf = host_path(Path::new("/proc")).join(pid.to_string());
    let stat = std::fs::read(folder.join("stat"))?;
    let mut process = parse_stat(&stat).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected stat of a process"))?;
    parse_status(&std::fs::read_to_string(folder.join("status"))?, &mut process);
    process.mntns = procfs::namespace_inode(pid, "mnt").unwrap_or(0);
    Ok(process)
}

/// The fields of proc_pid_stat(5); the name may hold blanks and parentheses.
fn parse_stat(stat: &[u8]) -> Option<ProcessStat> {
    let (open, close) = (stat.iter().position(|b| *b == b'(')?, stat.iter().rposition(|b| *b == b')')?);
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let comm = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Field 3 of the manual page comes first here.
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    Some(ProcessStat {
        pid,
        comm,
        state: fields.first()?.chars().next()?,
        ppid: number(4)? as i32,
        cpu_ticks: (number(14)? + number(15)?) as u64,
        priority: number(18)?,
        nice: number(19)?,
        threads: number(20)?,
        start_ticks: number(22)? as u64,
        ..ProcessStat::default()
    })
}

fn parse_status(status: &str, process: &mut ProcessStat) {
    for (key, value) in status.lines().filter_map(|l| l.split_once(':')) {
        let number = || value.split_ascii_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        match key {
            "Uid" => process.uid = number() as u32,
            "VmSize" => process.virtual_bytes = number() << 10,
            "VmRSS" => process.resident_bytes = number() << 10,
            "RssFile" | "RssShmem" => process.shared_bytes += number() << 10,
            _ => {}
        }
    }
}

/// All memory of the machine, in bytes; 0 when it cannot be told.
pub fn total_memory() -> u64 {
    let text = std::fs::read_to_string(host_path(Path::new("/proc/meminfo"))).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    line.and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// When the machine was started, in seconds since the Unix epoch; 0 when it cannot be told.
pub fn boot_time() -> u64 {
    let text = std::fs::read_to_string(host_path(Path::new("/proc/stat"))).unwrap_or_default();
    text.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name with everything that confuses splitting at blanks.
    #[test]
    fn reads_stat_behind_a_hostile_name() {
        let line = b"42 (a) b (c) S 7 42 42 0 -1 0 0 0 0 0 30 12 0 0 20 -5 3 0 99 4096 1 18446744073709551615";
        let process = parse_stat(line).unwrap();
        assert_eq!((process.pid, process.ppid, process.comm.as_str(), process.state), (42, 7, "a) b (c", 'S'));
        assert_eq!((process.cpu_ticks, process.priority, process.nice, process.threads, process.start_ticks), (42, 20, -5, 3, 99));
        assert_eq!(parse_stat(b"42 (a"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn knows_this_process() {
        let own = process(std::process::id()).unwrap();
        assert_eq!(own.pid as u32, std::process::id());
        assert!(own.resident_bytes > 0 && own.virtual_bytes > own.resident_bytes && own.threads > 0 && own.mntns > 0);
        assert!(own.resident_bytes < total_memory() && boot_time() > 0);
    }
}
