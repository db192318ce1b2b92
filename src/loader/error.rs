//! Why a gadget could not be loaded or attached.

use std::io;

use crate::kernel::{capabilities, features};

/// The kinds of sections there are.
const SECTIONS: &str = "kprobe, kretprobe, uprobe, uretprobe, usdt, tracepoint, raw_tracepoint, tp_btf, fentry, fexit, lsm, iter, \
    perf_event, socket, classifier/ingress, classifier/egress, sockops, sk_skb, sk_msg, cgroup_skb and cgroup";

/// Why a gadget could not be loaded, attached or read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The image has no eBPF layer, and the metadata asks for nothing that is there without one.
    #[error("gadget {gadget:?} has neither an eBPF object to load nor a data source that works without one")]
    NoObject {
        /// The gadget's name.
        gadget: String,
    },
    /// The kernel brings no types along (CONFIG_DEBUG_INFO_BTF), so that programs cannot be fitted to it.
    #[error("the kernel's types (BTF, CONFIG_DEBUG_INFO_BTF) are needed")]
    NoBtf {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A parameter that the gadget does not have.
    #[error("gadget {gadget:?} has no parameter {key:?}{}", suggestion.as_ref().map(|s| format!(", did you mean {s:?}?")).unwrap_or_default())]
    UnknownParameter {
        /// The gadget's name.
        gadget: String,
        /// The key that was given.
        key: String,
        /// The nearest key there is.
        suggestion: Option<String>,
    },
    /// A parameter's value that does not fit it.
    #[error("parameter {key:?} of gadget {gadget:?} cannot be {value:?}")]
    Parameter {
        /// The gadget's name.
        gadget: String,
        /// The parameter.
        key: String,
        /// What was given.
        value: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The object is broken, or asks for something that is not offered.
    #[error("{doing}")]
    Object {
        /// For instance `relocate object of gadget "x"`.
        doing: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map cannot be made or shared.
    #[error("create map {map:?} of gadget {gadget:?}{hint}")]
    Map {
        /// The gadget's name.
        gadget: String,
        /// The map.
        map: String,
        /// What may help, with a colon in front; or nothing.
        hint: String,
        /// What the kernel said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The verifier refused a program.
    #[error("the verifier refused program {program:?}; its last lines:\n{log}")]
    Verifier {
        /// The program.
        program: String,
        /// Up to 20 lines.
        log: String,
        /// What the kernel returned.
        source: io::Error,
    },
    /// The kernel does not let this process do it.
    #[error("{doing}: {reason}")]
    Permission {
        /// What was being done to what.
        doing: String,
        /// The missing capability, or what else there is to say.
        reason: String,
        /// What the kernel returned.
        source: io::Error,
    },
    /// The kernel lacks what a program hooks into.
    #[error("the kernel has no {hook}, which program {program:?} needs{}", suggestion.as_ref().map(|s| format!("; did you mean {s}?")).unwrap_or_default())]
    NoHook {
        /// The program.
        program: String,
        /// The kind of hook and its name.
        hook: String,
        /// The nearest name of that kind there is.
        suggestion: Option<String>,
    },
    /// A kind of program that cannot be run.
    #[error("unsupported section {section:?} of program {program:?}; supported are {SECTIONS}")]
    Unsupported {
        /// The program.
        program: String,
        /// Its section.
        section: String,
    },
    /// A section of a known kind that is malformed.
    #[error("invalid section name {section:?} of program {program:?}: it should be {expected}")]
    Section {
        /// The program.
        program: String,
        /// Its section.
        section: String,
        /// How sections of that kind are named.
        expected: String,
    },
    /// Anything else the kernel refused.
    #[error("{doing}")]
    Kernel {
        /// What was being done to what.
        doing: String,
        /// What the kernel returned.
        source: io::Error,
    },
    /// The gadget's metadata and its object do not agree, as a sentence.
    #[error("{0}")]
    Invalid(String),
}

impl LoadError {
    /// A refusal of the kernel, with the reason if it is one of permission.
    pub(super) fn kernel(doing: String, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => LoadError::Permission { doing, reason: explain_permission(), source },
            _ => LoadError::Kernel { doing, source },
        }
    }

    pub(super) fn object(doing: String, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        LoadError::Object { doing, source: Box::new(source) }
    }
}

/// Why the kernel may have refused something to this process.
pub(super) fn explain_permission() -> String {
    if capabilities::in_user_namespace() {
        return "this process is in a user namespace, whose capabilities the kernel does not take for this".to_owned();
    }
    explain(&capabilities::missing_capabilities(), features::locked_down(), features::security_modules().trim())
}

pub(super) fn explain(missing: &[&str], locked_down: bool, modules: &str) -> String {
    if !missing.is_empty() {
        return format!("this process lacks {}", missing.join(" and "));
    }
    if locked_down {
        return "the kernel is locked down (confidentiality mode)".to_owned();
    }
    let active = if modules.is_empty() { String::new() } else { format!(" (active: {modules})") };
    format!("no capability is missing, so lockdown or another security module refuses it{active}")
}
