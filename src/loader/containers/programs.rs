//! The watching programs: verified, attached, and their maps.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::MapData;

use crate::container::host_mntns;
use crate::container::oci::command::PROGRAMS;
use crate::gadget::btf::{KernelTypes, Places};
use crate::kernel::bpf::{self, Shape};
use crate::kernel::ring::RingBuffer;
use crate::kernel::{cgroupfs, maps};
use crate::loader::attach::{self, Around, Link};
use crate::loader::error::LoadError;
use crate::loader::filter::MntnsFilter;
use crate::loader::hook::Hook;
use crate::loader::maps::Wishes;
use crate::loader::object::{Image, Wanted};
use crate::loader::plan::prepare_for;
use crate::loader::sockets::SocketFields;

/// What errors and logs call the object.
const NAME: &str = "container watch";
static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/programs/container_watch.o"));

/// Gadgets whose filters it can keep at once: MAX_FILTERS of the program.
pub(super) const FILTERS: usize = 64;

/// Programs with the tracepoints they are attached to. Those of processes come last: what they tell of is in a cgroup that was told of.
const TRACEPOINTS: [(&str, &str); 6] = [
    ("cgroup_made", "cgroup_mkdir"),
    ("cgroup_removed", "cgroup_rmdir"),
    ("cgroup_populated", "cgroup_notify_populated"),
    ("task_moved", "cgroup_attach_task"),
    ("forked", "sched_process_fork"),
    ("executed", "sched_process_exec"),
];

/// The programs at work. Dropping it detaches them.
pub(super) struct Attached {
    _links: Vec<Link>,
    maps: HashMap<String, MapData>,
    filters: OwnedFd,
}

impl Attached {
    /// Loads and attaches them; gives the ring they write into as well.
    pub(super) fn start() -> Result<(Self, RingBuffer), LoadError> {
        let kernel = KernelTypes::read(&Places::here(), None).map_err(|e| LoadError::NoBtf { source: Box::new(e) })?;
        let (prepared, target) = prepare_for(NAME, OBJECT, &kernel, &SocketFields::default())?;
        let globals = [("host_mntns", host_mntns() as u32), ("hierarchy", cgroupfs::watched_hierarchy())];
        let globals: Vec<(String, Vec<u8>)> = globals.map(|(name, value)| (name.to_owned(), value.to_ne_bytes().to_vec())).into();
        let image = Image::parse(NAME, &prepared.object, &globals)?;
        let wanted = TRACEPOINTS.map(|(name, tracepoint)| Wanted {
            name: name.to_owned(),
            hook: Hook::RawTracepoint(tracepoint.to_owned()),
            sleepable: false,
            disabled: false,
        });
        let filters = MntnsFilter::array(FILTERS as u32).map_err(|e| LoadError::kernel(format!("make room for filters in {NAME}"), e))?;
        let wishes = Wishes { shared: vec![("filters", filters.as_fd())], ..Wishes::default() };
        let (programs, maps) = image.load(target, &kernel, &wishes, wanted.into())?;
        let mut attached = Attached { _links: Vec::new(), maps, filters };
        attached.name_runtimes()?;
        let ring = attached.ring()?;
        let nothing = Around { frequencies: &HashMap::new(), targets: &BTreeMap::new(), maps: &HashMap::new() };
        for program in &programs {
            attached._links.extend(attach::attach(program, &nothing)?);
        }
        Ok((attached, ring))
    }

    /// One of the maps.
    pub(super) fn map(&self, name: &str) -> Result<BorrowedFd<'_>, LoadError> {
        let map = self.maps.get(name).ok_or_else(|| LoadError::Invalid(format!("{NAME} has no map {name:?}")))?;
        Ok(map.fd().as_fd())
    }

    /// The filters that new namespaces are let through.
    pub(super) fn filters(&self) -> BorrowedFd<'_> {
        self.filters.as_fd()
    }

    fn ring(&self) -> Result<RingBuffer, LoadError> {
        let fail = |e| LoadError::kernel(format!("read the ring buffer of {NAME}"), e);
        let map: OwnedFd = self.map("records")?.try_clone_to_owned().map_err(fail)?;
        let bytes = maps::shape(map.as_fd()).map_err(fail)?.entries;
        RingBuffer::open(map, bytes).map_err(fail)
    }

    fn name_runtimes(&self) -> Result<(), LoadError> {
        let map = self.map("runtimes")?;
        for program in PROGRAMS {
            let mut name = [0u8; 16];
            name.iter_mut().take(15).zip(program.bytes()).for_each(|(to, byte)| *to = byte);
            let shape = Shape { key: name.len(), value: 4 };
            bpf::update(map, shape, &name, &1u32.to_ne_bytes())
                .map_err(|e| LoadError::kernel(format!("tell {NAME} of the runtime {program:?}"), e))?;
        }
        Ok(())
    }
}
