//! Programs that see what happens in a cgroup: their sections, types and places.

/// What hangs on the root of the cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::loader) struct Cgroup {
    /// The section.
    pub section: &'static str,
    /// BPF_PROG_TYPE_*.
    pub kind: u32,
    /// BPF_CGROUP_*.
    pub attach_type: u32,
}

const SKB: u32 = 8;
const SOCK: u32 = 9;
const SOCK_OPS: u32 = 13;
const DEVICE: u32 = 15;
const SOCK_ADDR: u32 = 18;
const SYSCTL: u32 = 23;
const SOCKOPT: u32 = 25;

/// Section, type and place, as libbpf has them.
const ALL: [(&str, u32, u32); 24] = [
    ("sockops", SOCK_OPS, 3),
    ("cgroup_skb/ingress", SKB, 0),
    ("cgroup_skb/egress", SKB, 1),
    ("cgroup/sock_create", SOCK, 2),
    ("cgroup/sock_release", SOCK, 34),
    ("cgroup/sock", SOCK, 2),
    ("cgroup/post_bind4", SOCK, 12),
    ("cgroup/post_bind6", SOCK, 13),
    ("cgroup/bind4", SOCK_ADDR, 8),
    ("cgroup/bind6", SOCK_ADDR, 9),
    ("cgroup/connect4", SOCK_ADDR, 10),
    ("cgroup/connect6", SOCK_ADDR, 11),
    ("cgroup/sendmsg4", SOCK_ADDR, 14),
    ("cgroup/sendmsg6", SOCK_ADDR, 15),
    ("cgroup/recvmsg4", SOCK_ADDR, 19),
    ("cgroup/recvmsg6", SOCK_ADDR, 20),
    ("cgroup/getpeername4", SOCK_ADDR, 29),
    ("cgroup/getpeername6", SOCK_ADDR, 30),
    ("cgroup/getsockname4", SOCK_ADDR, 31),
    ("cgroup/getsockname6", SOCK_ADDR, 32),
    ("cgroup/dev", DEVICE, 6),
    ("cgroup/sysctl", SYSCTL, 18),
    ("cgroup/getsockopt", SOCKOPT, 21),
    ("cgroup/setsockopt", SOCKOPT, 22),
];

impl Cgroup {
    /// The one of a section; more may stand behind a further `/`.
    pub(in crate::loader) fn parse(section: &str) -> Option<Cgroup> {
        let is = |name: &str| section.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let found = ALL.iter().find(|(name, ..)| is(name));
        found.map(|(section, kind, attach_type)| Cgroup { section, kind: *kind, attach_type: *attach_type })
    }
}
