//! What a program hooks into, as its ELF section says.

mod cgroup;

pub(super) use cgroup::Cgroup;

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
    /// A decision of the kernel's that security modules are asked about.
    Lsm(String),
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
    /// What happens in any cgroup.
    Cgroup(Cgroup),
    /// Packets of the sockets in a map.
    Sockets(SocketHook),
    /// Anything else.
    Other,
}

/// What a program does with the packets of the sockets in a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketHook {
    /// Says where messages end.
    Parser,
    /// Says where messages go, as they were parsed.
    StreamVerdict,
    /// Says where packets go.
    Verdict,
    /// Says where what is sent goes.
    Message,
}

impl SocketHook {
    /// BPF_PROG_TYPE_* and BPF_SK_*.
    fn program_type(self) -> (u32, u32) {
        match self {
            SocketHook::Parser => (SK_SKB, 4),
            SocketHook::StreamVerdict => (SK_SKB, 5),
            SocketHook::Verdict => (SK_SKB, 38),
            SocketHook::Message => (SK_MSG, 7),
        }
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
const SK_SKB: u32 = 14;
const SK_MSG: u32 = 16;
const RAW_TRACEPOINT: u32 = 17;
const TRACING: u32 = 26;
const LSM: u32 = 29;

/// Kinds of iterators whose output can be read.
pub(super) const ITERATORS: [&str; 6] = ["task", "task_file", "tcp", "udp", "ksym", "bpf_map_elem"];
/// The kind that walks over the elements of a map.
pub(super) const MAP_ELEMENTS: &str = "bpf_map_elem";

/// Sections whose first part is known but whose rest must be of a certain form.
const FORMS: [(&str, &str); 13] = [
    ("tracepoint", "tracepoint/<category>/<name>"),
    ("tp", "tp/<category>/<name>"),
    ("raw_tracepoint", "raw_tracepoint/<name>"),
    ("raw_tp", "raw_tp/<name>"),
    ("tp_btf", "tp_btf/<name>"),
    ("kprobe", "kprobe/<function>"),
    ("kretprobe", "kretprobe/<function>"),
    ("perf_event", "perf_event/<name>"),
    ("classifier", "classifier/ingress/<name> and classifier/egress/<name>"),
    ("sk_skb", "sk_skb/stream_parser, sk_skb/stream_verdict and sk_skb/verdict"),
    ("uprobe", "uprobe/<object>:<symbol>"),
    ("uretprobe", "uretprobe/<object>:<symbol>"),
    ("usdt", "usdt/<object>:<provider>:<probe>"),
];

/// What a section should be instead that is of a known kind but malformed.
pub(super) fn expected_form(section: &str) -> Option<&'static str> {
    let kind = bare(section).split('/').next();
    FORMS.iter().find(|(known, _)| Some(*known) == kind).map(|(_, form)| *form)
}

/// Whether programs in this section may sleep, which those of some kinds say with a `.s` behind the kind.
pub(super) fn is_sleepable(section: &str) -> bool {
    bare(section).split('/').next().is_some_and(|kind| kind.ends_with(".s"))
}

/// Without what is in front of it for libbpf (`?`: not loaded by default).
fn bare(section: &str) -> &str {
    section.strip_prefix('?').unwrap_or(section)
}

impl Hook {
    /// Reads a section name.
    pub(super) fn parse(section: &str) -> Hook {
        let section = bare(section);
        if let Some(cgroup) = Cgroup::parse(section) {
            return Hook::Cgroup(cgroup);
        }
        if section.starts_with("socket") {
            return Hook::SocketFilter;
        }
        if section == "sk_msg" {
            return Hook::Sockets(SocketHook::Message);
        }
        let (kind, target) = match section {
            // The metadata says what it is attached to, or nobody does.
            "uprobe" | "uretprobe" | "usdt" | "uprobe.multi" | "uretprobe.multi" => (section, ""),
            _ => match section.split_once('/') {
                Some(parts) if !parts.1.is_empty() => parts,
                _ => return Hook::Other,
            },
        };
        Self::of(kind, target)
    }

    /// What a kind of section means with this behind the first `/`.
    fn of(kind: &str, target: &str) -> Hook {
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
            "fentry" | "fentry.s" => Hook::Fentry(name),
            "fexit" | "fexit.s" => Hook::Fexit(name),
            "lsm" | "lsm.s" => Hook::Lsm(name),
            "iter" | "iter.s" => Hook::Iterator(name),
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
            "sk_msg" => Hook::Sockets(SocketHook::Message),
            "sk_skb" => match target.split('/').next() {
                Some("stream_parser") => Hook::Sockets(SocketHook::Parser),
                Some("stream_verdict") => Hook::Sockets(SocketHook::StreamVerdict),
                Some("verdict") => Hook::Sockets(SocketHook::Verdict),
                _ => Hook::Other,
            },
            _ => Hook::Other,
        }
    }

    /// The same kind of hook on something else; [`Hook::Other`] when there can be no such thing. Only what is bound by its name when
    /// it is attached can be aimed: trampolines and others are bound when they are loaded, and stay.
    pub(super) fn aimed_at(self, target: &str) -> Hook {
        let name = target.to_owned();
        match self {
            Hook::Tracepoint { .. } => Hook::parse(&format!("tracepoint/{}", target.trim_start_matches("tracepoint/"))),
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
            Hook::Lsm(_) => (LSM, 27),
            Hook::Iterator(_) => (TRACING, crate::kernel::bpf::TRACE_ITER),
            Hook::Cgroup(cgroup) => (cgroup.kind, cgroup.attach_type),
            Hook::Sockets(hook) => hook.program_type(),
            Hook::Other => return None,
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

    /// Whether the kernel acts on what the program returns, so that one which only returns something does something.
    pub(super) fn result_counts(&self) -> bool {
        matches!(self, Hook::Tc(_) | Hook::Lsm(_) | Hook::Cgroup(_) | Hook::Sockets(_))
    }

    /// Name and kind of the kernel's type that stands for the hook, where the kernel wants its id.
    pub(super) fn kernel_type(&self) -> Option<(String, Kind)> {
        match self {
            Hook::TypedTracepoint(name) => Some((format!("btf_trace_{name}"), Kind::Typedef)),
            Hook::Fentry(function) | Hook::Fexit(function) => Some((function.clone(), Kind::Func)),
            Hook::Lsm(hook) => Some((format!("bpf_lsm_{hook}"), Kind::Func)),
            Hook::Iterator(kind) => Some((format!("bpf_iter_{kind}"), Kind::Func)),
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
            Hook::Lsm(hook) => write!(f, "security hook {hook}"),
            Hook::Iterator(kind) => write!(f, "iterator {kind}"),
            Hook::Sampler(name) => write!(f, "sampler {name}"),
            Hook::Uprobe(target) | Hook::Uretprobe(target) => write!(f, "user function {target}"),
            Hook::Usdt(target) => write!(f, "user probe {target}"),
            Hook::SocketFilter => f.write_str("packets of a network namespace"),
            Hook::Tc(direction) => write!(f, "{direction:?} packets of a container"),
            Hook::Cgroup(cgroup) => write!(f, "cgroups ({})", cgroup.section),
            Hook::Sockets(SocketHook::Message) => f.write_str("messages sent through the sockets of a map"),
            Hook::Sockets(_) => f.write_str("packets for the sockets of a map"),
            Hook::Other => f.write_str("hook of that kind"),
        }
    }
}
