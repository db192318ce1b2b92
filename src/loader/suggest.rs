//! What may have been meant by the name of a hook that the kernel does not have. Only asked when something failed: it takes a while.

use super::hook::Hook;
use crate::component::nearest;
use crate::gadget::btf::{KernelTypes, Kind, Places};
use crate::kernel::tracefs;

/// The nearest hook of the same kind. `kernel` is the kernel's types, where they are at hand.
pub(super) fn hook(hook: &Hook, kernel: Option<&KernelTypes>) -> Option<String> {
    let (prefix, kind, name) = match hook {
        Hook::Tracepoint { category, name } => return tracepoint(&format!("{category}/{name}")),
        Hook::RawTracepoint(name) | Hook::TypedTracepoint(name) => ("btf_trace_", Kind::Typedef, name),
        Hook::Lsm(name) => ("bpf_lsm_", Kind::Func, name),
        Hook::Kprobe(name) | Hook::Kretprobe(name) | Hook::Fentry(name) | Hook::Fexit(name) => ("", Kind::Func, name),
        _ => return None,
    };
    match kernel {
        Some(kernel) => named(kernel, prefix, kind, name),
        None => named(&KernelTypes::read(&Places::here(), None).ok()?, prefix, kind, name),
    }
}

fn named(kernel: &KernelTypes, prefix: &str, kind: Kind, name: &str) -> Option<String> {
    let candidates = kernel.ids().filter(|id| kernel.get(*id).is_ok_and(|t| t.kind == kind));
    nearest(name, candidates.filter_map(|id| kernel.name(id).strip_prefix(prefix))).map(str::to_owned)
}

fn tracepoint(name: &str) -> Option<String> {
    let mut all = Vec::new();
    for category in tracefs::events(None).ok()? {
        let events = tracefs::events(Some(&category)).unwrap_or_default();
        all.extend(events.into_iter().filter(|event| event != "enable" && event != "filter").map(|event| format!("{category}/{event}")));
    }
    nearest(name, all.iter().map(String::as_str)).map(str::to_owned)
}
