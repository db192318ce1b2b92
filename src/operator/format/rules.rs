//! Which decoder makes the text of which special type, and how the added field is called and shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{Decode, Field, Kind};
use crate::decoder::{args, bytes, duration, errno, file_flags, file_mode, names::Names, signal, syscall, timestamp};

/// Everything there is to know about one special type.
pub(super) struct Rule {
    /// Name of the type.
    pub type_name: &'static str,
    /// Annotation of the source that names the added field.
    pub target: &'static str,
    /// Name of the added field when neither annotation nor suffix give one.
    pub fallback: Option<&'static str>,
    /// Kinds that the decoder can read; a source of another kind is left alone.
    pub accepts: fn(Kind) -> bool,
    /// Annotations of the added field, below those of the metadata.
    pub annotations: &'static [(&'static str, &'static str)],
    /// What makes the text.
    pub decoder: fn(&Shared) -> Arc<dyn Decode>,
    /// Lists the possible texts.
    pub one_of: Option<fn() -> String>,
}

/// What decoders of several fields share.
pub(super) struct Shared {
    pub users: Arc<Names>,
    pub groups: Arc<Names>,
}

impl Rule {
    /// The last part of the added field's name.
    pub fn target<'a>(&self, source: &'a Field) -> Option<&'a str> {
        let named = source.annotations.get(self.target).map(String::as_str).filter(|name| !name.is_empty());
        named.or_else(|| source.leaf().strip_suffix("_raw").filter(|name| !name.is_empty())).or(self.fallback)
    }

    /// Annotations to begin with.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let fixed = self.annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        fixed.chain(self.one_of.map(|list| ("value.one-of".to_owned(), list()))).collect()
    }
}

fn u32_only(kind: Kind) -> bool {
    kind == Kind::Uint(4)
}

fn u64_only(kind: Kind) -> bool {
    kind == Kind::Uint(8)
}

fn any_4(kind: Kind) -> bool {
    matches!(kind, Kind::Uint(4) | Kind::Int(4))
}

fn any_8(kind: Kind) -> bool {
    matches!(kind, Kind::Uint(8) | Kind::Int(8))
}

fn bytes_only(kind: Kind) -> bool {
    matches!(kind, Kind::Bytes | Kind::Text)
}

const fn rule(type_name: &'static str, target: &'static str, accepts: fn(Kind) -> bool, decoder: fn(&Shared) -> Arc<dyn Decode>) -> Rule {
    Rule { type_name, target, fallback: None, accepts, annotations: &[], decoder, one_of: None }
}

const HIDDEN: &[(&str, &str)] = &[("columns.hidden", "true")];
const ERROR: &[(&str, &str)] = &[("columns.width", "12")];
const BYTES: &[(&str, &str)] = &[("columns.width", "10"), ("columns.alignment", "right")];
const DURATION: &[(&str, &str)] = &[("columns.width", "20"), ("columns.alignment", "right")];
const TIMESTAMP: &[(&str, &str)] =
    &[("columns.width", "35"), ("columns.maxwidth", "35"), ("columns.ellipsis", "end"), ("columns.hidden", "true")];

/// The rules, from `gadget-abi.md` section 4.1 and `operators.md` sections 6.11 and 6.13.
pub(super) const RULES: [Rule; 11] = [
    Rule { one_of: Some(signal::one_of), ..rule("gadget_signal", "formatters.signal.target", any_4, |_| Arc::new(signal::Signal)) },
    Rule {
        annotations: ERROR,
        one_of: Some(errno::one_of),
        ..rule("gadget_errno", "formatters.errno.target", u32_only, |_| Arc::new(errno::Errno))
    },
    rule("gadget_syscall", "formatters.syscall.target", u64_only, |_| Arc::new(syscall::Syscall::host())),
    Rule { annotations: TIMESTAMP, ..rule("gadget_timestamp", "formatters.timestamp.target", any_8, |_| Arc::new(timestamp::Timestamp)) },
    Rule { annotations: BYTES, ..rule("gadget_bytes", "formatters.bytes.target", u64_only, |_| Arc::new(bytes::Bytes)) },
    Rule { annotations: DURATION, ..rule("gadget_duration", "formatters.duration.target", u64_only, |_| Arc::new(duration::Duration)) },
    rule("gadget_file_mode", "formatters.file_mode.target", u32_only, |_| Arc::new(file_mode::FileMode)),
    rule("gadget_file_flags", "formatters.file_flags.target", u32_only, |_| Arc::new(file_flags::FileFlags)),
    Rule {
        fallback: Some("user"),
        annotations: HIDDEN,
        ..rule("gadget_uid", "uidgidresolver.target", u32_only, |shared| shared.users.clone())
    },
    Rule {
        fallback: Some("group"),
        annotations: HIDDEN,
        ..rule("gadget_gid", "uidgidresolver.target", u32_only, |shared| shared.groups.clone())
    },
    rule("gadget_tail_args", "formatters.args.target", bytes_only, |_| Arc::new(args::Args)),
];
