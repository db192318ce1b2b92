//! Traffic control classifiers on the host's end of each container's interface (or on one interface of the host), behind a dispatcher.

use std::os::fd::{AsFd, OwnedFd};

use super::dispatcher::Slot;
use super::shared::Shared;
use super::{Scope, Workload};
use crate::container::host_process;
use crate::kernel::netlink::{Filter, Link, Route, Side};
use crate::kernel::netns::NetNs;
use crate::kernel::translated::program_id;
use crate::loader::error::LoadError;
use crate::loader::hook::{Direction, Hook};
use crate::loader::object::LoadedProgram;

/// TC_ACT_UNSPEC, the result of a dispatcher without a program behind it: the packet goes on as if there were no filter.
const UNDECIDED: i32 = -1;

/// Traffic control classifiers: of every container, or of one interface of the host.
pub(super) struct Classifiers {
    gadget: String,
    programs: Vec<LoadedProgram>,
    /// The only interface, if the user names one.
    interface: Option<String>,
    slots: Vec<Slot>,
    host: Option<Host>,
    /// By the interface's number.
    attached: Shared<u32, Vec<Attached>>,
}

/// The network namespace in which all filters are.
struct Host {
    namespace: NetNs,
    route: Route,
}

/// A filter of ours.
struct Attached {
    filter: Filter,
    dispatcher: OwnedFd,
}

impl Classifiers {
    pub(super) fn new(gadget: &str, programs: Vec<LoadedProgram>, interface: Option<String>) -> Self {
        Classifiers { gadget: gadget.to_owned(), programs, interface, slots: Vec::new(), host: None, attached: Shared::new() }
    }

    /// Attaches to the one interface that the user names.
    fn attach_to(&mut self, name: &str) -> Result<(), LoadError> {
        let Some(host) = &mut self.host else { return Ok(()) };
        let link = host.route.link(name).map_err(|e| LoadError::kernel(format!("find network interface {name:?}"), e))?;
        let netns = host.namespace.inode();
        let attached = attach(host, &self.slots, &self.programs, &Place { interface: link.index, netns, inverted: false })?;
        let host = Workload { id: Workload::HOST.into(), pid: 0, mntns: 0, netns, host_network: true };
        self.attached.join(link.index, &host, || Ok(attached))
    }
}

impl Host {
    fn open() -> std::io::Result<Self> {
        let namespace = NetNs::of(host_process())?;
        let route = namespace.within(Route::open)?;
        Ok(Host { namespace, route })
    }

    /// Numbers of the interfaces here that are paired with one of `namespace`, which is switched on there.
    fn ends_of(&self, namespace: &NetNs) -> std::io::Result<Vec<u32>> {
        namespace.within(|| {
            let mut route = Route::open()?;
            let Some(here) = route.namespace_id(self.namespace.as_fd())? else { return Ok(Vec::new()) };
            let paired = |link: Link| link.peer.filter(|peer| link.kind == "veth" && link.up && peer.namespace == here);
            Ok(route.links()?.into_iter().filter_map(paired).map(|peer| peer.index).collect())
        })
    }
}

/// Where filters are attached to.
struct Place {
    interface: u32,
    /// What the programs are told.
    netns: u64,
    /// Whether it is the other end of what the programs are meant for.
    inverted: bool,
}

/// A filter for each program; all or none.
fn attach(host: &mut Host, slots: &[Slot], programs: &[LoadedProgram], place: &Place) -> Result<Vec<Attached>, LoadError> {
    let mut attached = Vec::with_capacity(programs.len());
    for (slot, program) in slots.iter().zip(programs) {
        match attach_one(host, slot, program, place) {
            Ok(one) => attached.push(one),
            Err(error) => {
                attached.iter().for_each(|one| detach(host, one));
                return Err(error);
            }
        }
    }
    Ok(attached)
}

fn attach_one(host: &mut Host, slot: &Slot, program: &LoadedProgram, place: &Place) -> Result<Attached, LoadError> {
    let side = match program.hook {
        Hook::Tc(Direction::Egress) => Side::Egress,
        _ => Side::Ingress,
    };
    let side = if place.inverted { side.inverted() } else { side };
    let dispatcher = slot.dispatcher(place.netns, UNDECIDED)?;
    let filter = host.route.add_clsact(place.interface);
    let filter = filter.and_then(|()| host.route.add_filter(place.interface, side, dispatcher.as_fd(), &program.name));
    let filter = filter.map_err(|e| LoadError::kernel(format!("attach {:?} to network interface {}", program.name, place.interface), e))?;
    Ok(Attached { filter, dispatcher })
}

/// Removes a filter if it still is ours: the interface and its number may be somebody else's by now.
fn detach(host: &mut Host, attached: &Attached) {
    let ours = program_id(attached.dispatcher.as_fd());
    let result = match (host.route.filter(&attached.filter), ours) {
        (Ok(Some((id, _))), Ok(ours)) if id == ours => host.route.remove_filter(&attached.filter),
        (Err(error), _) | (_, Err(error)) => Err(error),
        _ => Ok(()),
    };
    if let Err(error) = result {
        tracing::warn!(interface = attached.filter.interface, %error, "filter of a network interface cannot be removed");
    }
}

impl Scope for Classifiers {
    fn start(&mut self) -> Result<(), LoadError> {
        self.slots = self.programs.iter().map(Slot::holding).collect::<Result<_, _>>()?;
        self.host = Some(Host::open().map_err(|e| LoadError::kernel("open the host's network namespace".to_owned(), e))?);
        match self.interface.clone() {
            Some(name) => self.attach_to(&name),
            None => Ok(()),
        }
    }

    fn add(&mut self, workload: &Workload) -> Result<(), LoadError> {
        let Some(host) = self.host.as_mut().filter(|_| self.interface.is_none()) else { return Ok(()) };
        if workload.is_host() || workload.host_network || workload.netns == host.namespace.inode() {
            return Ok(());
        }
        let fail = |e| LoadError::kernel(format!("look at the network interfaces of process {}", workload.pid), e);
        let Some(namespace) = NetNs::find(workload.netns, workload.pid).map_err(fail)? else {
            tracing::debug!(gadget = self.gadget, container = &*workload.id, "container is gone before its packets could be watched");
            return Ok(());
        };
        let ends = host.ends_of(&namespace).map_err(fail)?;
        if ends.is_empty() {
            let text = format!("container {:?} has no veth interface that is up and leads to the host", workload.id);
            return Err(LoadError::Invalid(text));
        }
        let mut result = Ok(());
        for interface in ends {
            let place = Place { interface, netns: namespace.inode(), inverted: true };
            result = result.and(self.attached.join(interface, workload, || attach(host, &self.slots, &self.programs, &place)));
        }
        result
    }

    fn remove(&mut self, workload: &Workload) {
        let Some(host) = &mut self.host else { return };
        self.attached.leave(workload).iter().flatten().for_each(|one| detach(host, one));
    }
}

impl Drop for Classifiers {
    fn drop(&mut self) {
        self.slots.iter().for_each(Slot::empty);
        let Some(host) = &mut self.host else { return };
        self.attached.take().iter().flatten().for_each(|one| detach(host, one));
    }
}
