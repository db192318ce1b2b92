//! Programs per network namespace: socket filters, traffic control, iterators over sockets. The namespaces are the tests' own.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gadgetry::container::{Container, RuntimeMeta};
use gadgetry::kernel::netlink::{Attributes, CREATE, Filter, Route, Side};
use serde_json::Value;

use crate::harness::{Run, Setup, assert_golden, compiled, not_here, seen, with_each_compiler};

const RTM_NEWLINK: u16 = 16;

/// A network namespace with a thread in it that does what it is told.
struct Namespace {
    jobs: Option<Sender<Box<dyn FnOnce() + Send>>>,
    thread: Option<JoinHandle<()>>,
    tid: u32,
    inode: u64,
}

impl Namespace {
    fn new() -> Namespace {
        let (jobs, todo) = channel::<Box<dyn FnOnce() + Send>>();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            // SAFETY: the call changes nothing but this thread's network namespace.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "{}", std::io::Error::last_os_error());
            // SAFETY: the call takes nothing and cannot fail.
            tell.send((unsafe { libc::gettid() } as u32, netns())).unwrap();
            todo.into_iter().for_each(|job| job());
        });
        let (tid, inode) = told.recv().unwrap();
        let namespace = Namespace { jobs: Some(jobs), thread: Some(thread), tid, inode };
        namespace.run(|| switch_on(&mut Route::open().unwrap(), "lo"));
        namespace
    }

    /// Does something inside, and waits for it.
    fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        self.jobs.as_ref().unwrap().send(Box::new(move || tell.send(job()).unwrap())).unwrap();
        told.recv().unwrap()
    }

    /// A container whose first process is the thread.
    fn container(&self, id: &str) -> Container {
        static MOUNTS: AtomicU32 = AtomicU32::new(1);
        let runtime = RuntimeMeta {
            runtime_name: "test".to_owned(),
            container_id: id.to_owned(),
            container_name: id.to_owned(),
            container_pid: self.tid,
            ..RuntimeMeta::default()
        };
        let mntns = u64::from(MOUNTS.fetch_add(1, Ordering::Relaxed));
        Container { runtime, mntns, netns: self.inode, ..Container::default() }
    }

    /// How many packet sockets there are in it.
    fn packet_sockets(&self) -> usize {
        self.run(|| std::fs::read_to_string("/proc/thread-self/net/packet").unwrap().lines().count() - 1)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Inode of this thread's network namespace.
fn netns() -> u64 {
    std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
}

fn interface_header(index: u32, flags: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&flags.to_ne_bytes());
    header
}

fn switch_on(route: &mut Route, name: &str) {
    let link = route.link(name).unwrap();
    route.request(RTM_NEWLINK, 0, &interface_header(link.index, libc::IFF_UP as u32), &Attributes::default()).unwrap();
}

/// A veth pair: one end in this thread's namespace, the other in another one. It goes with either.
struct Pair {
    name: String,
    /// Number of the end that is here, and of the one that is there.
    index: (u32, u32),
}

impl Pair {
    /// `None` where the kernel has no veth, or no filters on interfaces.
    fn with(namespace: &Namespace) -> Option<Pair> {
        const IFLA_IFNAME: u16 = 3;
        const IFLA_LINKINFO: u16 = 18;
        const IFLA_NET_NS_PID: u16 = 19;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("gt{:x}n{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let there = Attributes::default().with_text(IFLA_IFNAME, "eth7").with(IFLA_NET_NS_PID, &namespace.tid.to_ne_bytes());
        let peer = [&interface_header(0, 0)[..], there.as_bytes()].concat();
        let info = Attributes::default().with_text(1, "veth").with_nested(2, &Attributes::default().with(1, &peer));
        let wanted = Attributes::default().with_text(IFLA_IFNAME, &name).with_nested(IFLA_LINKINFO, &info);
        let mut route = Route::open().unwrap();
        if let Err(error) = route.request(RTM_NEWLINK, CREATE, &interface_header(0, 0), &wanted) {
            not_here("network: traffic control", &format!("no veth ({error})"));
            return None;
        }
        switch_on(&mut route, &name);
        namespace.run(|| switch_on(&mut Route::open().unwrap(), "eth7"));
        let there = namespace.run(|| Route::open().unwrap().link("eth7").unwrap().index);
        let pair = Pair { index: (route.link(&name).unwrap().index, there), name };
        if let Err(error) = route.add_clsact(pair.index.0) {
            not_here("network: traffic control", &format!("no clsact ({error})"));
            return None;
        }
        Some(pair)
    }

    /// Name of the program behind a filter at the end that is here.
    fn filter(&self, side: Side, handle: u32) -> Option<String> {
        let filter = Filter { interface: self.index.0, side, handle };
        Route::open().unwrap().filter(&filter).unwrap().map(|(_, name)| name)
    }
}

/// Sends a frame that looks like a datagram to `port` out of an interface, to nobody.
fn send_frame(interface: u32, port: u16) {
    let mut frame = [0u8; 60];
    frame[..6].fill(0xff);
    frame[6] = 0x02;
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[36..38].copy_from_slice(&port.to_be_bytes());
    // SAFETY: the call takes no pointer.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    // SAFETY: all zeros is a valid address.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    (to.sll_family, to.sll_ifindex, to.sll_halen) = (libc::AF_PACKET as u16, interface as i32, 6);
    to.sll_protocol = 0x0800u16.to_be();
    let (address, size) = ((&raw const to).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t);
    // SAFETY: frame and address are valid for their sizes.
    let sent = unsafe { libc::sendto(socket, frame.as_ptr().cast(), frame.len(), 0, address, size) };
    assert_eq!(sent, 60, "{}", std::io::Error::last_os_error());
    // SAFETY: our own descriptor, closed once.
    unsafe { libc::close(socket) };
}

fn send_datagram(port: u16) {
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", ("127.0.0.1", port)).unwrap();
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn count(run: &Run, wanted: impl Fn(&Value) -> bool) -> usize {
    run.events().iter().filter(|e| wanted(&e.json)).count()
}

/// Every socket filter sees a namespace's packets once, however many containers share it, and knows its number; the last container to go
/// takes the sockets along.
#[test]
fn socket_filters() {
    with_each_compiler(|compiler| {
        let namespace = Namespace::new();
        let setup = Setup::params(&[("port", "4711")]);
        setup.inventory.insert(namespace.container("early"));
        let run = Run::start("packets", compiler, &setup);
        assert_eq!(namespace.packet_sockets(), 4, "one for each program");
        setup.inventory.insert(namespace.container("late"));
        namespace.run(|| send_datagram(4711));
        send_datagram(4711);
        for program in 1..=4 {
            for netns in [namespace.inode, netns()] {
                let event = run.event(|e| e["program"] == program && e["netns_id"] == netns);
                if program == 1 && netns == namespace.inode {
                    assert_golden("packets", &event, &["netns_id"]);
                }
            }
        }
        assert_eq!(run.events().len(), 8, "{:#?}", run.events());
        setup.inventory.remove("early");
        namespace.run(|| send_datagram(4711));
        eventually("an event after one of two containers went", || count(&run, |e| e["netns_id"] == namespace.inode) == 8);
        assert_eq!(namespace.packet_sockets(), 4);
        setup.inventory.remove("late");
        eventually("no sockets without containers", || namespace.packet_sockets() == 0);
        setup.inventory.insert(namespace.container("again"));
        eventually("sockets for a new container", || namespace.packet_sockets() == 4);
        run.stop();
        assert_eq!(namespace.packet_sockets(), 0);
    });
    seen("network: socket filters per network namespace");
}

/// Classifiers see what a container sends and receives at the other end of its interface, turned around; each run has filters of its own.
#[test]
fn classifiers() {
    with_each_compiler(|compiler| {
        let namespace = Namespace::new();
        let Some(pair) = Pair::with(&namespace) else { return };
        let setup = Setup::params(&[("port", "4712")]);
        setup.inventory.insert(namespace.container("one"));
        setup.inventory.insert(namespace.container("two"));
        let run = Run::start("classify", compiler, &setup);
        let (here, there) = pair.index;
        namespace.run(move || send_frame(there, 4712));
        let event = run.event(|e| e["direction"] == "egress");
        assert_golden("classify", &event, &["netns_id"]);
        assert_eq!(event["netns_id"], namespace.inode);
        send_frame(here, 4712);
        assert_eq!(run.event(|e| e["direction"] == "ingress")["netns_id"], namespace.inode);
        assert_eq!(run.events().len(), 2, "{:#?}", run.events());

        let filters = |handle| [Side::Ingress, Side::Egress].map(|side| pair.filter(side, handle));
        let ours = [Some("outgoing".to_owned()), Some("incoming".to_owned())];
        assert_eq!((filters(1), filters(2)), (ours.clone(), [None, None]));
        let second = Run::start("classify", compiler, &setup);
        assert_eq!((filters(1), filters(2)), (ours.clone(), ours.clone()), "the next free handle");
        run.stop();
        assert_eq!((filters(1), filters(2)), ([None, None], ours), "only its own are removed");
        setup.inventory.remove("one");
        setup.inventory.remove("two");
        eventually("no filters without containers", || filters(2) == [None, None]);
        drop(second);
        seen("network: traffic control per container");
    });
}

/// With `iface` classifiers are attached to that interface, not turned around, and to no container.
#[test]
fn classifiers_of_one_interface() {
    with_each_compiler(|compiler| {
        let namespace = Namespace::new();
        let Some(pair) = Pair::with(&namespace) else { return };
        let setup = Setup::params(&[("port", "4713"), ("iface", &pair.name)]);
        setup.inventory.insert(namespace.container("ignored"));
        let run = Run::start("classify", compiler, &setup);
        let (here, there) = pair.index;
        send_frame(here, 4713);
        assert_eq!(run.event(|e| e["direction"] == "egress")["netns_id"], netns());
        namespace.run(move || send_frame(there, 4713));
        assert_eq!(run.event(|e| e["direction"] == "ingress")["netns_id"], netns());
        assert_eq!(pair.filter(Side::Egress, 1).as_deref(), Some("outgoing"));
        assert_eq!(pair.filter(Side::Egress, 2), None, "not for the container as well");
        assert_eq!(run.stop().len(), 2);
        assert_eq!(pair.filter(Side::Egress, 1), None);

        let wrong = Run::try_start(&compiled("classify", compiler), &Setup::params(&[("iface", "nowhere7")])).err().unwrap();
        assert!(wrong.contains("find network interface \"nowhere7\""), "{wrong}");
        seen("network: traffic control on one interface");
    });
}

/// The sockets of every namespace, each once, those that are there when the gadget starts included.
#[test]
fn sockets_of_each_namespace() {
    with_each_compiler(|compiler| {
        let namespace = Namespace::new();
        let open = || (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (ours, theirs) = (open(), namespace.run(open));
        let setup = Setup::default();
        setup.inventory.insert(namespace.container("one"));
        setup.inventory.insert(namespace.container("two"));
        let mut on_host = namespace.container("on host");
        (on_host.netns, on_host.host_network, on_host.runtime.container_pid) = (netns(), true, std::process::id());
        setup.inventory.insert(on_host);
        let mut gone = namespace.container("gone");
        gone.runtime.container_pid = 0x7fff_ffff;
        setup.inventory.insert(gone);
        let run = Run::start("sockets", compiler, &setup);
        for (netns, (tcp, udp)) in [(netns(), &ours), (namespace.inode, &theirs)] {
            let ports = [(6, tcp.local_addr().unwrap().port()), (17, udp.local_addr().unwrap().port())];
            for (protocol, port) in ports {
                let is_it = |e: &Value| e["netns_id"] == netns && e["port"] == port && e["protocol"] == protocol;
                let event = run.event(is_it);
                if protocol == 6 && netns == namespace.inode {
                    assert_golden("sockets", &event, &["netns_id", "port"]);
                }
                assert_eq!(count(&run, is_it), 1);
            }
        }
        let strangers = run.stop().into_iter().filter(|e| e.json["netns_id"] == namespace.inode).count();
        assert_eq!(strangers, 2, "nothing but our two");
    });
    seen("iterators: tcp and udp of each network namespace");
}
