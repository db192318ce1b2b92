//! The socket enricher: whose socket it is, from before the socket's first packet until some seconds after its end.

use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Run, Setup, seen, with_each_compiler};
use crate::trigger::getppid;

const V4: u64 = 2;
const V6: u64 = 10;
const TCP: u64 = 6;
const UDP: u64 = 17;

/// A gadget that answers questions of this thread about the map.
struct Asker {
    run: Run,
    question: std::cell::Cell<u64>,
}

impl Asker {
    fn start(compiler: &str, fields: &str) -> Asker {
        let setup = Setup { sockets: fields.parse().unwrap(), ..Setup::params(&[("thread", &thread().to_string())]) };
        Asker { run: Run::start("socket_owner", compiler, &setup), question: std::cell::Cell::new(1) }
    }

    /// With the default fields. One enricher serves all tests that use them, as it serves all gadgets.
    fn default(compiler: &str) -> Asker {
        static KEPT: OnceLock<Mutex<Run>> = OnceLock::new();
        KEPT.get_or_init(|| Mutex::new(Asker::start(compiler, "cwd=512,exepath=512").run));
        Asker::start(compiler, "cwd=512,exepath=512")
    }

    fn ask(&self, family: u64, protocol: u64, port: u16) -> Value {
        let question = self.question.replace(self.question.get() + 2);
        // SAFETY: an address that is no page's makes the call fail before it writes anything.
        let refused = unsafe { libc::syscall(libc::SYS_mincore, question, family << 8 | protocol, u64::from(port)) };
        assert_eq!(refused, -1);
        self.run.event(|e| e["question"] == question)
    }

    /// The owner, which has to be this thread.
    fn ours(&self, family: u64, protocol: u64, address: SocketAddr) -> Value {
        let owner = self.ask(family, protocol, address.port());
        assert_eq!((&owner["found"], &owner["deleted"]), (&1.into(), &0.into()), "{address}: {owner:#}");
        assert_eq!((&owner["pid"], &owner["tid"]), (&std::process::id().into(), &thread().into()), "{address}: {owner:#}");
        owner
    }
}

fn thread() -> i32 {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Everything that is known about the owner is what procfs says about this thread.
fn assert_describes_us(owner: &Value) {
    // SAFETY: the calls take nothing and cannot fail.
    let (uid, gid, parent) = unsafe { (libc::getuid(), libc::getgid(), libc::getppid()) };
    assert_eq!(owner["comm"], text("/proc/thread-self/comm"));
    assert_eq!((&owner["uid"], &owner["gid"]), (&uid.into(), &gid.into()));
    assert_eq!(owner["mntns"], std::fs::metadata("/proc/self/ns/mnt").unwrap().ino());
    // In a namespace of processes the kernel knows the parent under another number, and one that is hidden has no name here.
    if let Ok(name) = std::fs::read_to_string(format!("/proc/{parent}/comm")) {
        assert_eq!((&owner["ppid"], owner["pcomm"].as_str()), (&parent.into(), Some(name.trim())));
    }
    assert_eq!(owner["cwd"], std::env::current_dir().unwrap().to_str().unwrap());
    assert_eq!(owner["exepath"], std::env::current_exe().unwrap().to_str().unwrap());
    assert_ne!(owner["sock"], 0);
}

/// Both ends of a TCP connection belong to their process: one by its bind, one by its connect.
#[test]
fn tcp() {
    with_each_compiler(|compiler| {
        let asker = Asker::default(compiler);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_describes_us(&asker.ours(V4, TCP, listener.local_addr().unwrap()));
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let owner = asker.ours(V4, TCP, client.local_addr().unwrap());
        assert_describes_us(&owner);
        assert_ne!(owner["sock"], asker.ask(V4, TCP, listener.local_addr().unwrap().port())["sock"]);
    });
    seen("sockets: tcp bind and connect");
}

/// A port that nobody has has no owner.
#[test]
fn nobody() {
    let asker = Asker::default("clang-16");
    assert_eq!(asker.ask(V4, UDP, 1)["found"], 0);
}

/// A listener that never called bind has got its port when it began to listen.
#[test]
fn listener_without_bind() {
    let asker = Asker::default("clang-16");
    // SAFETY: no pointers; the descriptor is ours.
    let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)) };
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::listen(socket.as_raw_fd(), 1) }, 0);
    asker.ours(V4, TCP, TcpListener::from(socket).local_addr().unwrap());
    seen("sockets: listen without bind");
}

/// Datagram sockets that were never bound are known once they have sent, connected or not.
#[test]
fn udp_autobind() {
    let asker = Asker::default("clang-16");
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_describes_us(&asker.ours(V4, UDP, receiver.local_addr().unwrap()));
    for connected in [false, true] {
        let sender = unbound(libc::AF_INET);
        let to = receiver.local_addr().unwrap();
        if connected {
            sender.connect(to).unwrap();
            sender.send(b"x").unwrap();
        } else {
            sender.send_to(b"x", to).unwrap();
        }
        assert_describes_us(&asker.ours(V4, UDP, sender.local_addr().unwrap()));
    }
    seen("sockets: udp autobind");
}

fn unbound(family: i32) -> UdpSocket {
    // SAFETY: no pointers; the descriptor is ours.
    UdpSocket::from(unsafe { OwnedFd::from_raw_fd(libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)) })
}

/// IPv6 sockets say whether they serve IPv4 as well; one that sends to an IPv4 address is still an IPv6 socket.
#[test]
fn ipv6() {
    let asker = Asker::default("clang-16");
    let only = bound6(libc::SOCK_STREAM, true);
    let both = bound6(libc::SOCK_STREAM, false);
    let (only, both) = (TcpListener::from(only), TcpListener::from(both));
    assert_eq!(asker.ours(V6, TCP, only.local_addr().unwrap())["ipv6only"], 1);
    assert_eq!(asker.ours(V6, TCP, both.local_addr().unwrap())["ipv6only"], 0);
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = unbound(libc::AF_INET6);
    let SocketAddr::V4(to) = receiver.local_addr().unwrap() else { panic!("not IPv4") };
    sender.send_to(b"x", (to.ip().to_ipv6_mapped(), to.port())).unwrap();
    asker.ours(V6, UDP, sender.local_addr().unwrap());
    let sender = unbound(libc::AF_INET6);
    let receiver = UdpSocket::from(bound6(libc::SOCK_DGRAM, true));
    sender.send_to(b"x", (Ipv6Addr::LOCALHOST, receiver.local_addr().unwrap().port())).unwrap();
    asker.ours(V6, UDP, sender.local_addr().unwrap());
    seen("sockets: ipv6 and dual-stack");
}

/// A socket at any port of `::`, listening if it is one of streams.
fn bound6(kind: i32, only: bool) -> OwnedFd {
    // SAFETY: an address of zeros is valid.
    let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    address.sin6_family = libc::AF_INET6 as u16;
    let on = i32::from(only);
    // SAFETY: the lengths are those of what the pointers point at.
    unsafe {
        let socket = OwnedFd::from_raw_fd(libc::socket(libc::AF_INET6, kind | libc::SOCK_CLOEXEC, 0));
        let fd = socket.as_raw_fd();
        assert_eq!(libc::setsockopt(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, (&raw const on).cast(), 4), 0);
        assert_eq!(libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as u32), 0);
        assert!(kind != libc::SOCK_STREAM || libc::listen(fd, 1) == 0);
        socket
    }
}

/// Sockets from before the start are there: the listener's process for its port, also where connections share it. They belong to the
/// process's first thread, since nobody knows any more which one opened them.
#[test]
fn imported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _accepted = listener.accept().unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Fields that no other test has, so that an enricher is started for this one.
    let asker = Asker::start("clang-16", "cwd=256,exepath=512");
    for (protocol, address) in
        [(TCP, listener.local_addr().unwrap()), (TCP, client.local_addr().unwrap()), (UDP, datagrams.local_addr().unwrap())]
    {
        let owner = asker.ask(V4, protocol, address.port());
        assert_eq!((&owner["found"], &owner["pid"]), (&1.into(), &std::process::id().into()), "{address}: {owner:#}");
        assert_eq!(owner["exepath"], std::env::current_exe().unwrap().to_str().unwrap());
        assert_eq!(owner["cwd"], std::env::current_dir().unwrap().to_str().unwrap());
    }
    seen("sockets: imported");
}

/// A closed socket's entry is marked at once, stays for late packets, and is gone within seconds. A new socket at its port takes it over.
#[test]
fn closed() {
    let asker = Asker::default("clang-16");
    let (gone, reused) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (gone_at, reused_at) = (gone.local_addr().unwrap(), reused.local_addr().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let client_at = client.local_addr().unwrap();
    let before = asker.ours(V4, UDP, reused_at);
    asker.ours(V4, TCP, client_at);
    drop((gone, reused, client));
    let closed = Instant::now();
    for (protocol, address) in [(UDP, gone_at), (UDP, reused_at), (TCP, client_at)] {
        let owner = asker.ask(V4, protocol, address.port());
        assert_eq!((&owner["found"], &owner["deleted"]), (&1.into(), &1.into()), "{address}: {owner:#}");
    }
    let again = UdpSocket::bind(reused_at).unwrap();
    let after = asker.ours(V4, UDP, reused_at);
    // The kernel may give the new socket the old one's memory; then this proves nothing, but alive it is.
    assert!(after["sock"] != before["sock"] || after["deleted"] == 0);
    for (protocol, address) in [(UDP, gone_at), (TCP, client_at)] {
        while asker.ask(V4, protocol, address.port())["found"] != 0 {
            assert!(closed.elapsed() < Duration::from_secs(20), "{address} is still there");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    assert!(closed.elapsed() > Duration::from_secs(4), "gone after {:?}", closed.elapsed());
    asker.ours(V4, UDP, again.local_addr().unwrap());
    seen("sockets: closed and reused");
}

/// Absent fields are absent to the gadget, and others are as long as configured.
#[test]
fn fields() {
    for (fields, cwd, exepath) in [("", 0, 0), ("exepath=4096", 0, 4096), ("cwd=4", 4, 0), ("cwd,exepath", 512, 512)] {
        // Holds the enricher, which takes long to verify where the kernel is emulated, for all compilers.
        let _kept = Asker::start("clang-16", fields);
        with_each_compiler(|compiler| {
            let asker = Asker::start(compiler, fields);
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let owner = asker.ours(V4, UDP, socket.local_addr().unwrap());
            assert_eq!((&owner["cwd_size"], &owner["exepath_size"]), (&cwd.into(), &exepath.into()), "{fields}");
            let (directory, program) = (std::env::current_dir().unwrap(), std::env::current_exe().unwrap());
            let cut = |path: &std::path::Path, size: usize| path.to_str().unwrap().chars().take(size.saturating_sub(1)).collect::<String>();
            assert_eq!((owner["cwd"].as_str(), owner["exepath"].as_str()), (Some(&*cut(&directory, cwd)), Some(&*cut(&program, exepath))));
        });
    }
    seen("sockets: optional fields");
}

/// A map of that name that is not like the enricher's stays the gadget's own, and works.
#[test]
fn map_of_its_own() {
    let run = Run::start("socket_own_map", "clang-16", &Setup::params(&[("thread", &thread().to_string())]));
    getppid(2);
    run.event(|e| e["calls"] == 2);
}
