//! What a program hooks into, as its ELF section says.

use crate::gadget::btf::Kind;

/// What a program hooks into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hook {
    /// A static tracepoint through a perf event.
    Tracepoint { category: String, name: String },
    /// A tracepoint's raw arguments.
    RawTracepoint(String),
    /// A tracepoint's typed arguments.
    TypedTracepoint(String),
    /// Entry of a kernel function.
    Kprobe(String),
    /// Return of a kernel function.
    Kretprobe(String),
    /// Entry of a kernel function through a trampoline.
    Fentry(String),
    /// Return of a kernel function through a trampoline.
    Fexit(String),
    /// Walks over kernel objects when asked to.
    Iterator(String),
    /// Samples CPUs; the name under which the metadata says how often.
    Sampler(String),
    /// Entry of a function of a file of each container: `<object>:<symbol>`.
    Uprobe(String),
    /// Return of a function of a file of each container: `<object>:<symbol>`.
    Uretprobe(String),
    /// A static probe in a file of each container: `<object>:<provider>:<probe>`.
    Usdt(String),
    /// Packets of each network namespace.
    SocketFilter,
    /// Packets on each container's interface, seen from the container.
    Tc(Direction),
    /// What only the host's own programs hook into.
    Host(HostHook),
    /// Anything else.
    Other,
}

/// Hooks that gadgets do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostHook {
    /// A socket of IPv4 has got its port, seen from a cgroup.
    PostBind4,
    /// The same for IPv6.
    PostBind6,
    /// A socket is closed.
    SocketRelease,
    /// Steps in the life of TCP connections.
    SocketOperations,
    /// Packets on their way out.
    Egress,
    /// Walks over the elements of a map.
    MapElements,
}

impl HostHook {
    /// BPF_PROG_TYPE_* and BPF_CGROUP_* or BPF_TRACE_*.
    pub(super) fn program_type(self) -> (u32, u32) {
        const CGROUP_SKB: u32 = 8;
        const CGROUP_SOCK: u32 = 9;
        const SOCK_OPS: u32 = 13;
        match self {
            HostHook::PostBind4 => (CGROUP_SOCK, 12),
            HostHook::PostBind6 => (CGROUP_SOCK, 13),
            HostHook::SocketRelease => (CGROUP_SOCK, 34),
            HostHook::SocketOperations => (SOCK_OPS, 3),
            HostHook::Egress => (CGROUP_SKB, 1),
            HostHook::MapElements => (TRACING, crate::kernel::bpf::TRACE_ITER),
        }
    }

    /// Whether it is attached to a cgroup.
    pub(super) fn is_of_cgroup(self) -> bool {
        self != HostHook::MapElements
    }
}

/// Which way packets go, seen from the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

const SOCKET_FILTER: u32 = 1;
const KPROBE: u32 = 2;
const SCHED_CLS: u32 = 3;
const TRACEPOINT: u32 = 5;
const PERF_EVENT: u32 = 7;
const RAW_TRACEPOINT: u32 = 17;
const TRACING: u32 = 26;

impl Hook {
    /// Reads a section name, whatever is in front of it for libbpf (`?`: not loaded by default) left out.
    pub(super) fn parse(section: &str) -> Hook {
        let section = section.strip_prefix('?').unwrap_or(section);
        if section.starts_with("socket") {
            return Hook::SocketFilter;
        }
        let (kind, target) = match section {
            // The metadata says what it is attached to, or nobody does.
            "uprobe" | "uretprobe" | "usdt" | "uprobe.multi" | "uretprobe.multi" => (section, ""),
            _ => match section.split_once('/') {
                Some(parts) if !parts.1.is_empty() => parts,
                _ => return Hook::Other,
            },
        };
        let name = target.to_owned();
        match kind {
            "tracepoint" | "tp" => match target.split_once('/') {
                Some((category, name)) => Hook::Tracepoint { category: category.to_owned(), name: name.to_owned() },
                None => Hook::Other,
            },
            "raw_tracepoint" | "raw_tp" => Hook::RawTracepoint(name),
            "tp_btf" => Hook::TypedTracepoint(name),
            "kprobe" => Hook::Kprobe(name),
            "kretprobe" => Hook::Kretprobe(name),
            "fentry" => Hook::Fentry(name),
            "fexit" => Hook::Fexit(name),
            "iter" => Hook::Iterator(name),
            "perf_event" => Hook::Sampler(name),
            "uprobe" => Hook::Uprobe(name),
            "uretprobe" => Hook::Uretprobe(name),
            // How many are attached at once is not the program's to say, but patterns of functions are not looked for.
            "uprobe.multi" if !target.contains(['*', '?']) => Hook::Uprobe(name),
            "uretprobe.multi" if !target.contains(['*', '?']) => Hook::Uretprobe(name),
            "usdt" => Hook::Usdt(name),
            "classifier" => match target.split_once('/') {
                Some(("ingress", rest)) if !rest.contains('/') => Hook::Tc(Direction::Ingress),
                Some(("egress", rest)) if !rest.contains('/') => Hook::Tc(Direction::Egress),
                _ => Hook::Other,
            },
            _ => Hook::Other,
        }
    }

    /// The same kind of hook on something else. Trampolines are bound when they are loaded and stay.
    pub(super) fn aimed_at(self, target: &str) -> Hook {
        let name = target.to_owned();
        match self {
            Hook::Tracepoint { .. } => match target.trim_start_matches("tracepoint/").split_once('/') {
                Some((category, name)) => Hook::Tracepoint { category: category.to_owned(), name: name.to_owned() },
                None => self,
            },
            Hook::RawTracepoint(_) => Hook::RawTracepoint(name),
            Hook::Kprobe(_) => Hook::Kprobe(name),
            Hook::Kretprobe(_) => Hook::Kretprobe(name),
            Hook::Uprobe(_) => Hook::Uprobe(name),
            Hook::Uretprobe(_) => Hook::Uretprobe(name),
            Hook::Usdt(_) => Hook::Usdt(name),
            other => other,
        }
    }

    /// BPF_PROG_TYPE_* and BPF_TRACE_*; `None` for what is not supported.
    pub(super) fn program_type(&self) -> Option<(u32, u32)> {
        Some(match self {
            Hook::Tracepoint { .. } => (TRACEPOINT, 0),
            Hook::RawTracepoint(_) => (RAW_TRACEPOINT, 0),
            Hook::Kprobe(_) | Hook::Kretprobe(_) | Hook::Uprobe(_) | Hook::Uretprobe(_) | Hook::Usdt(_) => (KPROBE, 0),
            Hook::SocketFilter => (SOCKET_FILTER, 0),
            Hook::Tc(_) => (SCHED_CLS, 0),
            Hook::Sampler(_) => (PERF_EVENT, 0),
            Hook::TypedTracepoint(_) => (TRACING, 23),
            Hook::Fentry(_) => (TRACING, 24),
            Hook::Fexit(_) => (TRACING, 25),
            // Needs the map to walk over at attach time, which no marker is read for yet.
            Hook::Iterator(kind) if kind != "bpf_map_elem" => (TRACING, crate::kernel::bpf::TRACE_ITER),
            Hook::Host(hook) => hook.program_type(),
            Hook::Iterator(_) | Hook::Other => return None,
        })
    }

    /// An attach type with which one link can hold the program at many places; where the kernel has that, and if the verifier takes it.
    pub(super) fn many_at_once(&self) -> Option<u32> {
        let probes = matches!(self, Hook::Uprobe(_) | Hook::Uretprobe(_) | Hook::Usdt(_));
        (probes && crate::kernel::uprobe::has_multi()).then_some(crate::kernel::uprobe::MULTI)
    }

    /// Whether it is attached once per container (or network namespace) as they come and go, not once per gadget.
    pub(super) fn is_scoped(&self) -> bool {
        matches!(self, Hook::Uprobe(_) | Hook::Uretprobe(_) | Hook::Usdt(_) | Hook::SocketFilter | Hook::Tc(_))
    }

    /// Whether it walks over what is in the network namespace that it is opened in, so that it is opened in each.
    pub(super) fn is_per_namespace(&self) -> bool {
        matches!(self, Hook::Iterator(kind) if kind == "tcp" || kind == "udp")
    }

    /// Name and kind of the kernel's type that stands for the hook, where the kernel wants its id.
    pub(super) fn kernel_type(&self) -> Option<(String, Kind)> {
        match self {
            Hook::TypedTracepoint(name) => Some((format!("btf_trace_{name}"), Kind::Typedef)),
            Hook::Fentry(function) | Hook::Fexit(function) => Some((function.clone(), Kind::Func)),
            Hook::Iterator(kind) => Some((format!("bpf_iter_{kind}"), Kind::Func)),
            Hook::Host(HostHook::MapElements) => Some(("bpf_iter_bpf_map_elem".to_owned(), Kind::Func)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hook::Tracepoint { category, name } => write!(f, "tracepoint {category}/{name}"),
            Hook::RawTracepoint(name) | Hook::TypedTracepoint(name) => write!(f, "tracepoint {name}"),
            Hook::Kprobe(name) | Hook::Kretprobe(name) | Hook::Fentry(name) | Hook::Fexit(name) => write!(f, "function {name}"),
            Hook::Iterator(kind) => write!(f, "iterator {kind}"),
            Hook::Sampler(name) => write!(f, "sampler {name}"),
            Hook::Uprobe(target) | Hook::Uretprobe(target) => write!(f, "user function {target}"),
            Hook::Usdt(target) => write!(f, "user probe {target}"),
            Hook::SocketFilter => f.write_str("packets of a network namespace"),
            Hook::Tc(direction) => write!(f, "{direction:?} packets of a container"),
            Hook::Host(hook) => write!(f, "hook {hook:?}"),
            Hook::Other => f.write_str("hook of that kind"),
        }
    }
}
