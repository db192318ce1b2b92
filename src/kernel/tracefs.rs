//! Tracepoints, probes and the trace, from tracefs wherever it is, mounted or not.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{host_path, mounts};

const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// What our probes are listed under.
const GROUP: &str = "gadgetry";
const PROBES: &str = "kprobe_events";

/// The id of a tracepoint, which `perf_event_open` takes.
///
/// # Errors
/// NotFound when the kernel does not have it; whatever opening tracefs fails with.
pub fn tracepoint_id(category: &str, name: &str) -> io::Result<u64> {
    if [category, name].iter().any(|part| part.is_empty() || part.contains('/') || part.starts_with('.')) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{category}/{name} is not a tracepoint")));
    }
    let mut text = String::new();
    open(&format!("events/{category}/{name}/id"), libc::O_RDONLY)?.read_to_string(&mut text)?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("tracepoint id {text:?}")))
}

/// The names below `events`, or below one category of it: for suggestions.
///
/// # Errors
/// NotFound when there is no such category; whatever opening tracefs fails with.
pub fn events(category: Option<&str>) -> io::Result<Vec<String>> {
    let root = root()?;
    // Through the descriptor, since the file system may be mounted for nobody but us.
    let path = format!("/proc/self/fd/{}/events/{}", root.as_raw_fd(), category.unwrap_or_default());
    Ok(std::fs::read_dir(path)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// What programs print, to be read without blocking. Every line is read by one reader only.
///
/// # Errors
/// Whatever opening tracefs fails with.
pub fn trace_pipe() -> io::Result<File> {
    open("trace_pipe", libc::O_RDONLY | libc::O_NONBLOCK)
}

/// A probe on a kernel function, for kernels that have no perf events of that kind. Dropping it removes it.
pub struct Probe {
    name: String,
}

impl Probe {
    /// A probe on entry into a function, or on the return from it.
    ///
    /// # Errors
    /// NotFound or InvalidInput when there is no such function, Unsupported when the kernel has no kprobes.
    pub fn create(function: &str, on_return: bool) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if function.is_empty() || !function.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{function:?} is no function's name")));
        }
        let name = format!("probe_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let kind = if on_return { 'r' } else { 'p' };
        if let Err(error) = open(PROBES, libc::O_WRONLY | libc::O_APPEND).map(drop) {
            let text = format!("the kernel has no kprobes (CONFIG_KPROBES and CONFIG_KPROBE_EVENTS): {error}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        command(&format!("{kind}:{GROUP}/{name} {function}"))?;
        Ok(Probe { name })
    }

    /// Its id, as of any other tracepoint.
    ///
    /// # Errors
    /// As [`tracepoint_id`].
    pub fn id(&self) -> io::Result<u64> {
        tracepoint_id(GROUP, &self.name)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Err(error) = command(&format!("-:{GROUP}/{}", self.name)) {
            tracing::warn!(probe = self.name, error = &error as &dyn std::error::Error, "probe could not be removed from tracefs");
        }
    }
}

fn command(line: &str) -> io::Result<()> {
    // Appending: opening it to write anew would remove the probes of everybody else.
    open(PROBES, libc::O_WRONLY | libc::O_APPEND)?.write_all(format!("{line}\n").as_bytes())
}

fn open(path: &str, flags: libc::c_int) -> io::Result<File> {
    mounts::open_below(&root()?, &CString::new(path)?, flags)
}

/// The directory is opened once and kept, since a gadget has many tracepoints.
fn root() -> io::Result<OwnedFd> {
    static ROOT: Mutex<Option<OwnedFd>> = Mutex::new(None);
    let mut root = ROOT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(fd) = root.as_ref() {
        return fd.try_clone();
    }
    let found = mounted().map_or_else(|| mounts::detached(c"tracefs"), Ok)?;
    let fd = found.try_clone()?;
    *root = Some(found);
    Ok(fd)
}

fn mounted() -> Option<OwnedFd> {
    let place = PLACES.iter().map(|place| host_path(Path::new(place))).find(|place| place.join("events").exists())?;
    File::open(place).ok().map(OwnedFd::from)
}
