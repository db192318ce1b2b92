//! Program sections: names that aya takes. What kind of program it is, the loader reads from the section's own name.

use std::collections::HashMap;

use aya_obj::ProgramSection;

use super::Changes;
use super::edit::{Editor, SHF_EXECINSTR};
use super::error::PrepareError;

/// Kinds that are other kinds to aya: what the first part of the name begins with or is, and the kind it becomes.
const ALIASES: [(&str, &str); 9] = [
    ("tc", "classifier"),
    ("tcx", "classifier"),
    ("action", "classifier"),
    ("uprobe.multi", "uprobe"),
    ("uprobe.multi.s", "uprobe.s"),
    ("uretprobe.multi", "uretprobe"),
    ("uretprobe.multi.s", "uretprobe.s"),
    ("usdt", "uprobe"),
    ("usdt.s", "uprobe.s"),
];

/// Renames what has to be renamed, and says what each section is called now by its old name.
pub(super) fn rename(editor: &mut Editor<'_>, changes: &mut Changes) -> Result<HashMap<String, String>, PrepareError> {
    let mut fates = HashMap::new();
    for index in 0..editor.sections.len() {
        let Some(section) = editor.sections.get(index) else { break };
        let name = section.name.clone();
        let is_program = section.flags & SHF_EXECINSTR != 0 && !name.starts_with(".text") && !editor.data(index).is_empty();
        if !is_program {
            continue;
        }
        let wanted = acceptable(&name).unwrap_or_else(|| {
            changes.unknown.push(name.clone());
            format!("kprobe/{name}")
        });
        if wanted != name {
            let new = editor.rename(index, &wanted);
            changes.renamed.push((name.clone(), new.clone()));
            fates.insert(name, new);
        }
    }
    Ok(fates)
}

/// A name under which aya takes the section for the right kind of program.
fn acceptable(name: &str) -> Option<String> {
    let bare = name.strip_prefix('?').unwrap_or(name);
    let kind = bare.split('/').next().unwrap_or(bare);
    let alias = ALIASES.iter().find(|(from, _)| *from == kind).map(|(_, to)| *to);
    let prefix = alias.or_else(|| ["socket", "classifier"].into_iter().find(|p| kind.starts_with(p) && kind != *p));
    let new = match prefix {
        Some(prefix) => format!("{prefix}/{bare}"),
        None => bare.to_owned(),
    };
    new.parse::<ProgramSection>().is_ok().then_some(new)
}

#[cfg(test)]
mod tests {
    use super::acceptable;

    /// Foreign spellings become the kinds they are; what aya does not know is none.
    #[test]
    fn maps_names_to_kinds() {
        for (name, expected) in [
            ("socket1", Some("socket/socket1")),
            ("?kprobe/do_exit", Some("kprobe/do_exit")),
            ("tc", Some("classifier/tc")),
            ("classifier/ingress/x", Some("classifier/ingress/x")),
            ("uprobe.multi/libc:malloc", Some("uprobe/uprobe.multi/libc:malloc")),
            ("usdt/libc:a:b", Some("uprobe/usdt/libc:a:b")),
            ("tracepoint/a/b", Some("tracepoint/a/b")),
            ("kprobe.multi/x", None),
            ("sk_skb/verdict", None),
        ] {
            assert_eq!(acceptable(name).as_deref(), expected, "{name}");
        }
    }
}
