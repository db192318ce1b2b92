//! Command lines of OCI runtimes and of conmon: which container they are about, and where its bundle is.

use std::path::PathBuf;

/// Programs whose command lines are worth a look, by the name the kernel gives their process (at most 15 bytes).
pub const PROGRAMS: [&str; 7] = ["runc", "crun", "youki", "runsc", "kata-runtime", "crun-wasm", "conmon"];

/// Options of runtimes that are followed by a value, beside those written `--option=value`.
const VALUED: [&str; 17] = [
    "--root",
    "--log",
    "--log-format",
    "--log-level",
    "--criu",
    "--rootless",
    "--cgroup-manager",
    "--console-socket",
    "--pid-file",
    "--preserve-fds",
    "--config",
    "-f",
    "--image-path",
    "--work-path",
    "--parent-path",
    "--manage-cgroups-mode",
    "--lsm-profile",
];

/// A command that makes a container, or looks after one that is about to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The program's name without folders: `runc`, `crun`, `conmon`, ...
    pub program: String,
    /// Id of the container.
    pub id: String,
    /// Name of the container, which only conmon is told.
    pub name: String,
    /// Folder of the bundle; where the process was started when it is not said.
    pub bundle: Option<PathBuf>,
}

/// Reads a command line, arguments ended by NUL as in `/proc/<pid>/cmdline`. `None` for commands that make no container.
pub fn parse(line: &[u8]) -> Option<Command> {
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    let words: Vec<&str> = line.split(|b| *b == 0).map(|word| std::str::from_utf8(word).ok()).collect::<Option<_>>()?;
    let (program, words) = words.split_first()?;
    let program = program.rsplit('/').next().filter(|name| !name.is_empty())?.to_owned();
    let command = if program == "conmon" { conmon(words) } else { runtime(words) }?;
    Some(Command { program, ..command }).filter(|command| is_id(&command.id))
}

/// `runc [global options] create|run|restore [options] ID`.
fn runtime(words: &[&str]) -> Option<Command> {
    let mut words = words.iter().copied();
    let verb = positional(&mut words, &mut |_, _| {})?;
    if !["create", "run", "restore"].contains(&verb) {
        return None;
    }
    let mut bundle = None;
    let mut id = None;
    while let Some(word) = positional(&mut words, &mut |option, value| {
        if option == "-b" || option == "--bundle" {
            bundle = Some(PathBuf::from(value));
        }
    }) {
        id = Some(word);
    }
    Some(Command { id: id?.to_owned(), bundle, ..Command::default() })
}

/// The next word that is neither an option nor an option's value; options with values are shown to `see`.
fn positional<'w>(words: &mut impl Iterator<Item = &'w str>, see: &mut dyn FnMut(&'w str, &'w str)) -> Option<&'w str> {
    while let Some(word) = words.next() {
        if !word.starts_with('-') || word == "-" {
            return Some(word);
        }
        match word.split_once('=') {
            Some((option, value)) => see(option, value),
            None if word == "-b" || word == "--bundle" || VALUED.contains(&word) => see(word, words.next()?),
            None => {}
        }
    }
    None
}

/// Conmon's options come from GLib: `-c ID`, `--cid ID` or `--cid=ID`.
fn conmon(words: &[&str]) -> Option<Command> {
    let find = |short: &str, long: &str| {
        let at = words
            .iter()
            .position(|word| *word == short || word.strip_prefix(long).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))?;
        let word = words.get(at)?;
        word.split_once('=').map(|(_, value)| value).or_else(|| words.get(at + 1).copied())
    };
    let name = find("-n", "--name").unwrap_or_default().to_owned();
    Some(Command { id: find("-c", "--cid")?.to_owned(), name, bundle: find("-b", "--bundle").map(PathBuf::from), ..Command::default() })
}

/// What runtimes allow in an id.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 1024 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-.".contains(&b))
}
