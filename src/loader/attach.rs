//! Attaches loaded programs to their hooks.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::error::LoadError;
use super::hook::Hook;
use super::object::LoadedProgram;
use crate::kernel::{bpf, perf, tracefs};

#[cfg(target_arch = "x86_64")]
const SYSCALL_PREFIX: &str = "__x64_";
#[cfg(target_arch = "aarch64")]
const SYSCALL_PREFIX: &str = "__arm64_";
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const SYSCALL_PREFIX: &str = "";

/// An attached program. Dropping it detaches, which takes 70 to 120 ms for everything that goes through a perf event.
pub(super) struct Link {
    _held: Vec<OwnedFd>,
}

/// Attaches a program where its section says. Iterators have no place to be attached to: their reader opens them.
///
/// `frequency` is how often a sampler samples each CPU per second.
pub(super) fn attach(program: &LoadedProgram, frequency: u64) -> Result<Vec<Link>, LoadError> {
    let fd = program.fd.as_fd();
    let held = match &program.hook {
        Hook::Tracepoint { category, name } => {
            tracefs::tracepoint_id(category, name).and_then(perf::tracepoint).and_then(|e| perf::attach(fd, e))
        }
        Hook::RawTracepoint(name) => raw_tracepoint(fd, name),
        Hook::TypedTracepoint(_) | Hook::Fentry(_) | Hook::Fexit(_) => bpf::raw_tracepoint_open(fd, None).map(|link| vec![link]),
        Hook::Kprobe(function) => kprobe(fd, function, false),
        Hook::Kretprobe(function) => kprobe(fd, function, true),
        Hook::Sampler(_) => return sample(program, frequency),
        // Iterators are opened by their reader, the rest is attached per container.
        _ => return Ok(Vec::new()),
    };
    let held = held.map_err(|error| refusal(program, error))?;
    Ok(vec![Link { _held: held }])
}

fn raw_tracepoint(program: BorrowedFd<'_>, name: &str) -> io::Result<Vec<OwnedFd>> {
    let name = CString::new(name)?;
    bpf::raw_tracepoint_open(program, Some(&name)).map(|link| vec![link])
}

/// A function that is not there may be a system call, which the kernel has under another name.
fn kprobe(program: BorrowedFd<'_>, function: &str, on_return: bool) -> io::Result<Vec<OwnedFd>> {
    let open = |name: String| perf::kprobe(&CString::new(name)?, on_return);
    let event = match open(function.to_owned()) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => {
            open(format!("{SYSCALL_PREFIX}{function}")).map_err(|_| error)?
        }
        other => other?,
    };
    perf::attach(program, event)
}

fn sample(program: &LoadedProgram, frequency: u64) -> Result<Vec<Link>, LoadError> {
    let cpus = aya::util::online_cpus().map_err(|(path, source)| LoadError::Kernel { doing: format!("read {path}"), source })?;
    let mut links = Vec::with_capacity(cpus.len());
    for cpu in cpus {
        let held = perf::cpu_clock(cpu, frequency).and_then(|event| perf::attach(program.fd.as_fd(), event));
        links.push(Link { _held: held.map_err(|error| refusal(program, error))? });
    }
    Ok(links)
}

fn refusal(program: &LoadedProgram, error: io::Error) -> LoadError {
    match error.kind() {
        io::ErrorKind::NotFound => LoadError::NoHook { program: program.name.clone(), hook: program.hook.to_string() },
        _ => LoadError::kernel(format!("attach program {:?} to {}", program.name, program.hook), error),
    }
}
