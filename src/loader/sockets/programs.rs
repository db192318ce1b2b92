//! The programs that fill the map: verified, attached, and the two iterators that tidy up.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::SocketFields;
use crate::gadget::btf::KernelTypes;
use crate::kernel::bpf::{self, Shape};
use crate::kernel::{cgroupfs, clock};
use crate::loader::attach::{self, Around, Link};
use crate::loader::error::LoadError;
use crate::loader::hook::Hook;
use crate::loader::maps::Wishes;
use crate::loader::object::{Image, LoadedProgram, Wanted};
use crate::loader::plan::prepare_for;

/// What errors and logs call the object.
const NAME: &str = "socket enricher";
/// Where in a value is when its socket was closed, and for how many nanoseconds it stays then; as in `socket_enricher.bpf.c`.
const DELETED_AT: usize = 64;
const GRACE: u64 = 5_000_000_000;
static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/programs/socket_enricher.o"));

/// How the kernel is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Trampolines on kernel functions.
    Functions,
    /// Hooks of the root cgroup.
    Cgroup,
}

/// The programs, fitted to values of some fields, before they are loaded in either way.
pub(super) struct Prepared<'k> {
    object: Vec<u8>,
    target: aya_obj::btf::Btf,
    kernel: &'k KernelTypes,
    value_size: u32,
}

impl<'k> Prepared<'k> {
    pub(super) fn for_fields(fields: &SocketFields, kernel: &'k KernelTypes) -> Result<Self, LoadError> {
        let (prepared, target) = prepare_for(NAME, OBJECT, kernel, fields)?;
        let object = prepared.object;
        Ok(Prepared { object, target, kernel, value_size: fields.value_size() })
    }
}

/// The programs at work.
pub(super) struct Attached {
    links: Vec<Link>,
    cgroup: Vec<OwnedFd>,
    import: OwnedFd,
    tidy: Tidy,
}

/// How entries of closed sockets are removed.
enum Tidy {
    /// By a program that walks over the map.
    Iterator(OwnedFd),
    /// From here, entry by entry, where the kernel refuses such programs: the map, and bytes of its values.
    ByHand(OwnedFd, u32),
}

impl Attached {
    /// Loads and attaches the programs of one way; `map` is `gadget_sockets` and `blank` holds one value of its size. `iterates`: by a
    /// program is tidied up as well.
    pub(super) fn start(
        way: Way,
        iterates: bool,
        prepared: &Prepared<'_>,
        map: BorrowedFd<'_>,
        blank: BorrowedFd<'_>,
    ) -> Result<Self, LoadError> {
        let shared = vec![(super::MAP, map), ("blank", blank)];
        let value_sizes = shared.iter().map(|(name, _)| ((*name).to_owned(), prepared.value_size)).collect();
        let wishes = Wishes { shared, value_sizes, ..Wishes::default() };
        let image = Image::parse(NAME, &prepared.object, &[])?;
        let (programs, _) = image.load(prepared.target.clone(), prepared.kernel, &wishes, wanted(way, iterates))?;
        let mut attached = Attached {
            links: Vec::new(),
            cgroup: Vec::new(),
            import: iterator(&programs, "import_open", None)?,
            tidy: match iterates {
                true => Tidy::Iterator(iterator(&programs, "remove_deleted", Some(map))?),
                false => {
                    let share = |e| LoadError::kernel(format!("share the map of {NAME}"), e);
                    Tidy::ByHand(map.try_clone_to_owned().map_err(share)?, prepared.value_size)
                }
            },
        };
        let nothing = Around { frequencies: &HashMap::new(), targets: &BTreeMap::new(), maps: &HashMap::new() };
        let root = if way == Way::Cgroup { Some(root_cgroup()?) } else { None };
        for program in &programs {
            match (&program.hook, &root) {
                (Hook::Cgroup(cgroup), Some(root)) => attached.cgroup.push(attach_to_cgroup(program, root, cgroup.attach_type)?),
                (Hook::Iterator(_), _) => {}
                _ => attached.links.extend(attach::attach(program, &nothing)?),
            }
        }
        Ok(attached)
    }

    /// Enters the sockets that are open already.
    pub(super) fn import(&self) -> io::Result<()> {
        run(&self.import)
    }

    /// Removes the entries of sockets that have been closed for a while.
    pub(super) fn tidy(&self) -> io::Result<()> {
        match &self.tidy {
            Tidy::Iterator(link) => run(link),
            Tidy::ByHand(map, value_size) => remove_deleted(map.as_fd(), *value_size),
        }
    }
}

fn wanted(way: Way, iterates: bool) -> Vec<Wanted> {
    let fentry = |function: &str| Hook::Fentry(function.to_owned());
    let fexit = |function: &str| Hook::Fexit(function.to_owned());
    let ours = match way {
        Way::Functions => vec![
            ("bound4", fexit("inet_bind")),
            ("bound6", fexit("inet6_bind")),
            ("listening", fexit("inet_listen")),
            ("connecting", fentry("tcp_connect")),
            ("sending4", fentry("udp_sendmsg")),
            ("sending6", fentry("udpv6_sendmsg")),
            ("releasing", fentry("inet_release")),
        ],
        Way::Cgroup => vec![
            ("cgroup_bound4", Hook::parse("cgroup/post_bind4")),
            ("cgroup_bound6", Hook::parse("cgroup/post_bind6")),
            ("cgroup_tcp", Hook::parse("sockops")),
            ("cgroup_sending", Hook::parse("cgroup_skb/egress")),
            ("cgroup_releasing", Hook::parse("cgroup/sock_release")),
        ],
    };
    let common =
        [("state_changed", Hook::RawTracepoint("inet_sock_set_state".to_owned())), ("import_open", Hook::Iterator("task_file".to_owned()))];
    let tidy = iterates.then(|| ("remove_deleted", Hook::Iterator("bpf_map_elem".to_owned())));
    ours.into_iter()
        .chain(common)
        .chain(tidy)
        .map(|(name, hook)| Wanted { name: name.to_owned(), hook, sleepable: false, disabled: false })
        .collect()
}

fn iterator(programs: &[LoadedProgram], name: &str, map: Option<BorrowedFd<'_>>) -> Result<OwnedFd, LoadError> {
    let program = programs.iter().find(|p| p.name == name);
    let program = program.ok_or_else(|| LoadError::Invalid(format!("{NAME} has no program {name:?}")))?;
    bpf::iterator_link(program.fd.as_fd(), map).map_err(|e| LoadError::kernel(format!("link program {name:?} of {NAME}"), e))
}

fn root_cgroup() -> Result<OwnedFd, LoadError> {
    let (root, path) = cgroupfs::unified_root().map_err(|e| LoadError::kernel("open the root of the cgroup2 hierarchy".to_owned(), e))?;
    // Only groups below the root have a type.
    if let Some(path) = path.filter(|path| path.join("cgroup.type").exists()) {
        tracing::warn!(path = %path.display(), "the cgroup2 mount is not of the whole hierarchy: new sockets of other groups will not be known");
    }
    Ok(root)
}

fn attach_to_cgroup(program: &LoadedProgram, root: &OwnedFd, attach_type: u32) -> Result<OwnedFd, LoadError> {
    let link = bpf::link_create(program.fd.as_fd(), Some(root.as_fd()), attach_type);
    link.map_err(|e| LoadError::kernel(format!("attach program {:?} to the root cgroup", program.name), e))
}

/// Removes what the program `remove_deleted` would. An entry that is entered again at that very moment may go with the old one.
fn remove_deleted(map: BorrowedFd<'_>, value_size: u32) -> io::Result<()> {
    const KEY: usize = super::KEY_SIZE as usize;
    let shape = Shape { key: KEY, value: value_size as usize };
    let (mut next, mut value, mut deleted) = ([0u8; KEY], vec![0u8; shape.value], Vec::new());
    let now = clock::monotonic_now();
    let mut key = None;
    for _ in 0..super::ENTRIES {
        match bpf::next_key(map, shape, key.as_ref().map(<[u8; KEY]>::as_slice), &mut next) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
            result => result?,
        }
        key = Some(next);
        let is_there = bpf::lookup(map, shape, &next, &mut value).is_ok();
        let stamp = value.get(DELETED_AT..DELETED_AT + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes);
        if is_there && stamp != 0 && stamp + GRACE < now {
            deleted.push(next);
        }
    }
    // One that is gone by now is no loss.
    deleted.iter().for_each(|key| drop(bpf::delete(map, shape, key)));
    Ok(())
}

/// Runs an iterator to its end. Its programs write nothing.
fn run(link: &OwnedFd) -> io::Result<()> {
    let mut output = File::from(bpf::iterator_open(link.as_fd())?);
    let mut nothing = [0u8; 4096];
    loop {
        match output.read(&mut nothing) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
}
