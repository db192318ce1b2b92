//! Named sets of field annotations. Names, widths and flags are those of the gadget ABI; the texts are ours.

type Annotations = &'static [(&'static str, &'static str)];

const HIDDEN: (&str, &str) = ("columns.hidden", "true");
const RIGHT: (&str, &str) = ("columns.alignment", "right");
const MIDDLE: (&str, &str) = ("columns.ellipsis", "middle");

const fn width(value: &'static str) -> (&'static str, &'static str) {
    ("columns.width", value)
}

const fn min(value: &'static str) -> (&'static str, &'static str) {
    ("columns.minwidth", value)
}

const fn max(value: &'static str) -> (&'static str, &'static str) {
    ("columns.maxwidth", value)
}

const fn about(text: &'static str) -> (&'static str, &'static str) {
    ("description", text)
}

/// The annotations a template stands for; `None` for an unknown name. Names are compared without regard to case.
pub fn template(name: &str) -> Option<Annotations> {
    Some(match name.to_ascii_lowercase().as_str() {
        "timestamp" => const { &[width("35"), max("35"), ("columns.ellipsis", "end"), HIDDEN, about("When it happened")] },
        "bytes" => const { &[width("10"), RIGHT] },
        "duration" => const { &[width("20"), RIGHT] },
        "node" | "pod" => const { &[width("30"), MIDDLE] },
        "container" | "namespace" | "containerimagename" | "containerimagedigest" => const { &[width("30")] },
        "containerpid" => const { &[width("6"), RIGHT, HIDDEN] },
        "containerstartedat" => const { &[width("35"), HIDDEN] },
        "comm" => const { &[max("16"), about("Command name of the task")] },
        "pcomm" => const { &[max("16"), HIDDEN, about("Command name of the parent")] },
        "errorstring" => const { &[width("12")] },
        "pid" => const { &[min("7"), RIGHT, about("Process id")] },
        "ppid" => const { &[min("7"), RIGHT, HIDDEN, about("Process id of the parent")] },
        "tid" => const { &[min("7"), RIGHT, about("Thread id")] },
        "ptid" => const { &[min("7"), RIGHT, HIDDEN, about("Thread id of the parent")] },
        "uid" => const { &[min("8"), RIGHT, about("User id")] },
        "gid" => const { &[min("8"), RIGHT, about("Group id")] },
        "ns" => const { &[width("12"), RIGHT, HIDDEN] },
        "mntns_id" => const { &[width("12"), RIGHT, HIDDEN, about("Inode of the mount namespace")] },
        "netns_id" => const { &[width("12"), RIGHT, HIDDEN, about("Inode of the network namespace")] },
        "l4endpoint" => const { &[min("22"), width("40"), max("52"), MIDDLE] },
        "syscall" => const { &[width("18"), max("28"), about("System call")] },
        "user_stack" => const { &[HIDDEN, about("Stack of the user space code")] },
        _ => return None,
    })
}

/// The template that a special type brings along: `gadget_pid` has that of `pid`.
pub(in crate::gadget) fn of_type(type_name: &str) -> Option<Annotations> {
    let name = type_name.strip_prefix("gadget_")?;
    let applied = ["comm", "uid", "gid", "pid", "tid", "timestamp", "mntns_id", "netns_id", "pcomm", "ppid", "user_stack"];
    applied.contains(&name).then(|| template(name)).flatten()
}
