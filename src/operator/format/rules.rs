//! Which decoder makes the text of which special type, and how the added field is called and shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{Decode, Field, Kind};
use crate::decoder::{args, bytes, duration, errno, file_flags, file_mode, names::Names, signal, syscall, timestamp};
use crate::gadget::manifest;

/// Everything there is to know about one special type.
pub(super) struct Rule {
    /// Name of the type.
    pub type_name: &'static str,
    /// Annotation of the source that names the added field.
    pub target: &'static str,
    /// Of a user or group: name of the added field when neither annotation nor suffix give one. It is hidden.
    pub fallback: Option<&'static str>,
    /// Kinds that the decoder can read; a source of another kind is left alone.
    pub accepts: fn(Kind) -> bool,
    /// Template of the added field, below what the metadata says.
    pub template: Option<&'static str>,
    /// What makes the text of this field; `None` switches the rule off.
    pub decoder: fn(&Shared, &Field) -> Option<Arc<dyn Decode>>,
    /// Lists the possible texts.
    pub one_of: Option<fn() -> String>,
}

/// What decoders of several fields share.
pub(super) struct Shared {
    /// Users and groups, if this machine has files of them.
    pub names: Option<(Arc<Names>, Arc<Names>)>,
}

impl Rule {
    /// The last part of the added field's name.
    pub fn target<'a>(&self, source: &'a Field) -> Option<&'a str> {
        target(source, self.target).or(self.fallback)
    }

    /// Annotations to begin with.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let template = self.template.into_iter().flat_map(|name| manifest::template(name).unwrap_or_default().iter().copied());
        let hidden = self.fallback.map(|_| ("columns.hidden", "true"));
        let fixed = template.chain(hidden).map(|(key, value)| (key.to_owned(), value.to_owned()));
        fixed.chain(self.one_of.map(|list| ("value.one-of".to_owned(), list()))).collect()
    }
}

/// The last part of the name of the text: what the annotation `key` says, or the field's own name without `_raw`.
pub(super) fn target<'a>(source: &'a Field, key: &str) -> Option<&'a str> {
    let named = source.annotations.get(key).map(String::as_str).filter(|name| !name.is_empty());
    named.or_else(|| source.leaf().strip_suffix("_raw").filter(|name| !name.is_empty()))
}

fn u32_only(kind: Kind) -> bool {
    kind == Kind::Uint(4)
}

fn u64_only(kind: Kind) -> bool {
    kind == Kind::Uint(8)
}

/// A number of 4 bytes.
pub(super) fn any_4(kind: Kind) -> bool {
    matches!(kind, Kind::Uint(4) | Kind::Int(4))
}

fn any_8(kind: Kind) -> bool {
    matches!(kind, Kind::Uint(8) | Kind::Int(8))
}

fn bytes_only(kind: Kind) -> bool {
    matches!(kind, Kind::Bytes | Kind::Text)
}

type Maker = fn(&Shared, &Field) -> Option<Arc<dyn Decode>>;

const fn rule(type_name: &'static str, target: &'static str, accepts: fn(Kind) -> bool, decoder: Maker) -> Rule {
    Rule { type_name, target, fallback: None, accepts, template: None, decoder, one_of: None }
}

fn timestamp(field: &Field) -> Arc<dyn Decode> {
    match field.annotations.get("formatters.timestamp.format").filter(|layout| !layout.is_empty()) {
        Some(layout) => Arc::new(timestamp::Custom::new(layout)),
        None => Arc::new(timestamp::Timestamp),
    }
}

fn users(shared: &Shared, _: &Field) -> Option<Arc<dyn Decode>> {
    shared.names.as_ref().map(|(users, _)| users.clone() as Arc<dyn Decode>)
}

fn groups(shared: &Shared, _: &Field) -> Option<Arc<dyn Decode>> {
    shared.names.as_ref().map(|(_, groups)| groups.clone() as Arc<dyn Decode>)
}

/// The rules, from `gadget-abi.md` section 4.1 and `operators.md` sections 6.11 and 6.13.
pub(super) const RULES: [Rule; 11] = [
    Rule {
        one_of: Some(signal::one_of),
        ..rule("gadget_signal", "formatters.signal.target", any_4, |_, _| Some(Arc::new(signal::Signal)))
    },
    Rule {
        template: Some("errorString"),
        one_of: Some(errno::one_of),
        ..rule("gadget_errno", "formatters.errno.target", u32_only, |_, _| Some(Arc::new(errno::Errno)))
    },
    rule("gadget_syscall", "formatters.syscall.target", any_8, |_, _| Some(Arc::new(syscall::Syscall::host()))),
    Rule {
        template: Some("timestamp"),
        ..rule("gadget_timestamp", "formatters.timestamp.target", any_8, |_, field| Some(timestamp(field)))
    },
    Rule { template: Some("bytes"), ..rule("gadget_bytes", "formatters.bytes.target", u64_only, |_, _| Some(Arc::new(bytes::Bytes))) },
    Rule {
        template: Some("duration"),
        ..rule("gadget_duration", "formatters.duration.target", u64_only, |_, _| Some(Arc::new(duration::Duration)))
    },
    rule("gadget_file_mode", "formatters.file_mode.target", any_4, |_, _| Some(Arc::new(file_mode::FileMode))),
    rule("gadget_file_flags", "formatters.file_flags.target", any_4, |_, _| Some(Arc::new(file_flags::FileFlags))),
    Rule { fallback: Some("user"), ..rule("gadget_uid", "uidgidresolver.target", u32_only, users) },
    Rule { fallback: Some("group"), ..rule("gadget_gid", "uidgidresolver.target", u32_only, groups) },
    rule("gadget_tail_args", "formatters.args.target", bytes_only, |_, _| Some(Arc::new(args::Args))),
];
