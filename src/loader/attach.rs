//! Attaches loaded programs to their hooks.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::MapData;

use super::error::LoadError;
use super::hook::{Cgroup, Hook, ITERATORS, MAP_ELEMENTS};
use super::object::LoadedProgram;
use super::suggest;
use crate::kernel::{bpf, cgroupfs, features, kallsyms, perf, tracefs};

#[cfg(target_arch = "x86_64")]
const SYSCALL_PREFIX: &str = "__x64_";
#[cfg(target_arch = "aarch64")]
const SYSCALL_PREFIX: &str = "__arm64_";
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const SYSCALL_PREFIX: &str = "";

/// An attached program. Dropping it detaches, which takes 70 to 120 ms for everything that goes through a perf event.
pub(super) struct Link {
    /// What must be done before the descriptors are closed.
    first: Option<First>,
    _held: Vec<OwnedFd>,
    /// Goes last: it cannot be removed while it is in use.
    _probe: Option<tracefs::Probe>,
}

enum First {
    /// Stop sampling.
    Disable(OwnedFd),
    /// Take the program off the map; the attach type.
    Detach { program: OwnedFd, map: OwnedFd, attach_type: u32 },
}

impl Link {
    fn of(held: Vec<OwnedFd>) -> Self {
        Link { first: None, _held: held, _probe: None }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let done = match &self.first {
            None => Ok(()),
            Some(First::Disable(event)) => perf::disable(event.as_fd()),
            Some(First::Detach { program, map, attach_type }) => bpf::detach_from_map(program.as_fd(), map.as_fd(), *attach_type),
        };
        if let Err(error) = done {
            tracing::debug!(error = &error as &dyn std::error::Error, "a program could not be detached before it was closed");
        }
    }
}

/// What attaching takes apart from the programs.
pub(super) struct Around<'a> {
    /// How often samplers sample each CPU per second, by name.
    pub frequencies: &'a HashMap<String, u64>,
    /// The map that a program belongs to, by program.
    pub targets: &'a BTreeMap<String, String>,
    /// The gadget's maps.
    pub maps: &'a HashMap<String, MapData>,
}

impl Around<'_> {
    /// The map that a program belongs to.
    fn target(&self, program: &LoadedProgram, marker: &str) -> Result<BorrowedFd<'_>, LoadError> {
        let invalid =
            |problem: String| LoadError::Invalid(format!("program {:?} cannot be attached to {}: {problem}", program.name, program.hook));
        let name = self.targets.get(&program.name).ok_or_else(|| invalid(format!("no marker {marker} says which map")))?;
        let map = self.maps.get(name).ok_or_else(|| invalid(format!("the gadget has no map {name:?} of its own")))?;
        Ok(map.fd().as_fd())
    }
}

/// Attaches a program where its section says. Iterators have no place to be attached to: their reader opens them.
pub(super) fn attach(program: &LoadedProgram, around: &Around<'_>) -> Result<Vec<Link>, LoadError> {
    let fd = program.fd.as_fd();
    let held = match &program.hook {
        Hook::Tracepoint { category, name } => {
            tracefs::tracepoint_id(category, name).and_then(perf::tracepoint).and_then(|e| perf::attach(fd, e))
        }
        Hook::RawTracepoint(name) => raw_tracepoint(fd, name),
        Hook::TypedTracepoint(_) | Hook::Fentry(_) | Hook::Fexit(_) => bpf::raw_tracepoint_open(fd, None).map(|link| vec![link]),
        Hook::Lsm(_) => {
            check_lsm(program)?;
            bpf::raw_tracepoint_open(fd, None).map(|link| vec![link])
        }
        Hook::Kprobe(function) => return kprobe(program, function, false),
        Hook::Kretprobe(function) => return kprobe(program, function, true),
        Hook::Sampler(name) => return sample(program, around.frequencies.get(name).copied().unwrap_or_default()),
        Hook::Cgroup(cgroup) => link_to_cgroups(fd, cgroup),
        Hook::Sockets(_) => return watch_sockets(program, around),
        Hook::Iterator(kind) if kind == MAP_ELEMENTS => return map_of_iterator(program, around).map(|_| Vec::new()),
        // Iterators are opened by their reader, the rest is attached per container.
        _ => return Ok(Vec::new()),
    };
    let held = held.map_err(|error| refusal(program, error))?;
    Ok(vec![Link::of(held)])
}

/// A link of an iterator, which is what it is read through.
pub(super) fn iterator(program: &LoadedProgram, around: &Around<'_>) -> Result<OwnedFd, LoadError> {
    let map = map_of_iterator(program, around)?;
    bpf::iterator_link(program.fd.as_fd(), map).map_err(|error| refusal(program, error))
}

/// The map that an iterator walks over, if it is of that kind.
fn map_of_iterator<'a>(program: &LoadedProgram, around: &'a Around<'_>) -> Result<Option<BorrowedFd<'a>>, LoadError> {
    match &program.hook {
        Hook::Iterator(kind) if kind == MAP_ELEMENTS => {
            let marker = format!("gadget_mapelem_iter_target_{}___<map>", program.name);
            around.target(program, &marker).map(Some)
        }
        Hook::Iterator(kind) if ITERATORS.contains(&kind.as_str()) => Ok(None),
        hook => Err(LoadError::Invalid(format!("program {:?} cannot be read: {hook} is not supported", program.name))),
    }
}

fn raw_tracepoint(program: BorrowedFd<'_>, name: &str) -> io::Result<Vec<OwnedFd>> {
    let name = CString::new(name)?;
    bpf::raw_tracepoint_open(program, Some(&name)).map(|link| vec![link])
}

/// Programs on security hooks can be loaded and linked on kernels that never call them.
fn check_lsm(program: &LoadedProgram) -> Result<(), LoadError> {
    let active = features::security_modules();
    if active.is_empty() || active.split(',').any(|module| module == "bpf") {
        return Ok(());
    }
    Err(LoadError::Invalid(format!(
        "program {:?} cannot be attached to {}: \"bpf\" is not among the active security modules ({active}); boot with lsm={active},bpf",
        program.name, program.hook
    )))
}

/// A function that is not there may be a system call, which the kernel has under another name.
fn kprobe(program: &LoadedProgram, function: &str, on_return: bool) -> Result<Vec<Link>, LoadError> {
    let missing = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL));
    let opened = match open_kprobe(function, on_return) {
        Err(error) if missing(&error) => open_kprobe(&format!("{SYSCALL_PREFIX}{function}"), on_return).map_err(|_| error),
        other => other,
    };
    let attached = opened.and_then(|(event, probe)| Ok((perf::attach(program.fd.as_fd(), event)?, probe)));
    match attached {
        Ok((held, _probe)) => Ok(vec![Link { first: None, _held: held, _probe }]),
        // Some functions are there but may not be probed, which the kernel says with the same errors.
        Err(error) if missing(&error) && !kallsyms::has_function(function).unwrap_or(false) => Err(no_hook(program)),
        Err(error) => Err(refused(program, error)),
    }
}

/// Through a perf event, or where the kernel has none of that kind through tracefs.
fn open_kprobe(function: &str, on_return: bool) -> io::Result<(OwnedFd, Option<tracefs::Probe>)> {
    match perf::kprobe(&CString::new(function)?, on_return) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let probe = tracefs::Probe::create(function, on_return)?;
            Ok((perf::tracepoint(probe.id()?)?, Some(probe)))
        }
        other => other.map(|event| (event, None)),
    }
}

fn sample(program: &LoadedProgram, frequency: u64) -> Result<Vec<Link>, LoadError> {
    let cpus = aya::util::online_cpus().map_err(|(path, source)| LoadError::Kernel { doing: format!("read {path}"), source })?;
    let link = |cpu| {
        let event = perf::cpu_clock(cpu, frequency)?;
        let first = Some(First::Disable(event.try_clone()?));
        Ok(Link { first, _held: perf::attach(program.fd.as_fd(), event)?, _probe: None })
    };
    cpus.into_iter().map(|cpu| link(cpu).map_err(|error| refusal(program, error))).collect()
}

fn link_to_cgroups(program: BorrowedFd<'_>, cgroup: &Cgroup) -> io::Result<Vec<OwnedFd>> {
    let (root, _) = cgroupfs::unified_root()?;
    bpf::link_create(program, Some(root.as_fd()), cgroup.attach_type).map(|link| vec![link])
}

fn watch_sockets(program: &LoadedProgram, around: &Around<'_>) -> Result<Vec<Link>, LoadError> {
    let map = around.target(program, &format!("gadget_sk_prog_target_{}___<map>", program.name))?;
    let attach_type = program.hook.program_type().map_or(0, |(_, attach_type)| attach_type);
    let fail = |error| refusal(program, error);
    let (held, target) = (program.fd.try_clone().map_err(fail)?, map.try_clone_to_owned().map_err(fail)?);
    bpf::attach_to_map(program.fd.as_fd(), map, attach_type).map_err(fail)?;
    Ok(vec![Link { first: Some(First::Detach { program: held, map: target, attach_type }), _held: Vec::new(), _probe: None }])
}

fn refusal(program: &LoadedProgram, error: io::Error) -> LoadError {
    match error.kind() {
        io::ErrorKind::NotFound => no_hook(program),
        _ => refused(program, error),
    }
}

fn refused(program: &LoadedProgram, error: io::Error) -> LoadError {
    LoadError::kernel(format!("attach program {:?} to {}", program.name, program.hook), error)
}

fn no_hook(program: &LoadedProgram) -> LoadError {
    let suggestion = suggest::hook(&program.hook, None);
    LoadError::NoHook { program: program.name.clone(), hook: program.hook.to_string(), suggestion }
}
