//! `build.yaml`: what a gadget is built from. `build.rs` includes this file, so it leans on nothing but `error` and `cflags`. There is
//! one flat mapping to read, so the text is taken event by event: aliases, tags and nesting have no place in it.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::cflags;
use super::error::ImageError;

/// The file that is read when none is named.
pub const NAME: &str = "build.yaml";
/// Bytes it may have.
pub const LIMIT: u64 = 64 << 10;
const KEYS: [&str; 4] = ["ebpfsource", "metadata", "wasm", "cflags"];
const FLAGS_LIMIT: usize = 256;

/// What a gadget is built from. Paths are relative to its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFile {
    /// The eBPF program's source; none when the gadget has none.
    pub ebpf_source: Option<PathBuf>,
    /// The metadata, which need not be there.
    pub metadata: PathBuf,
    /// A WASM module, or its source.
    pub wasm: Option<PathBuf>,
    /// Flags for the compiler.
    pub cflags: Vec<String>,
}

impl Default for BuildFile {
    fn default() -> Self {
        BuildFile { ebpf_source: Some("program.bpf.c".into()), metadata: "gadget.yaml".into(), wasm: None, cflags: Vec::new() }
    }
}

impl BuildFile {
    /// Reads the file of that name, or else `build.yaml` in the gadget's folder if there is one. A source that is not named need not be
    /// there.
    ///
    /// # Errors
    /// When the file cannot be read, or says something that cannot be.
    pub fn read(folder: &Path, named: Option<&Path>) -> Result<Self, ImageError> {
        let path = named.map_or_else(|| folder.join(NAME), Path::to_owned);
        let failed = |source| ImageError::Io { action: "read", path: path.clone(), source };
        let (mut file, said) = match std::fs::File::open(&path) {
            Ok(open) => {
                let mut text = String::new();
                open.take(LIMIT + 1).read_to_string(&mut text).map_err(failed)?;
                if text.len() as u64 > LIMIT {
                    return Err(failed(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 64 KiB")));
                }
                BuildFile::parse(&text).map_err(|Fault { line, column, message }| ImageError::BuildFile {
                    path: path.clone(),
                    line,
                    column,
                    message,
                })?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => (BuildFile::default(), false),
            Err(error) => return Err(failed(error)),
        };
        if !said {
            file.ebpf_source = file.ebpf_source.filter(|source| folder.join(source).exists());
        }
        Ok(file)
    }

    /// What the text says, and whether it names a source.
    ///
    /// # Errors
    /// With the place of the first fault.
    pub fn parse(text: &str) -> Result<(Self, bool), Fault> {
        let mut reader = Reader::default();
        for next in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
            let (event, span) = next.map_err(|error| {
                let (line, column) = (error.marker().line().max(1), error.marker().col() + 1);
                Fault { line, column, message: format!("not valid YAML: {}", error.info()) }
            })?;
            reader.event(&event, &span)?;
        }
        Ok((reader.file, reader.seen.contains(&"ebpfsource")))
    }
}

/// Where something is wrong, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What.
    pub message: String,
}

/// What is being read: nothing, the mapping, or the list of flags in it.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    Keys,
    Value(&'static str),
    Flags,
    Done,
}

#[derive(Default)]
struct Reader {
    file: BuildFile,
    state: State,
    seen: Vec<&'static str>,
}

impl Reader {
    fn event(&mut self, event: &Event<'_>, span: &Span) -> Result<(), Fault> {
        let fault = |message: &str| Fault { line: span.start.line().max(1), column: span.start.col() + 1, message: message.to_owned() };
        match (event, self.state) {
            (Event::MappingStart(..), State::Outside) => self.state = State::Keys,
            (Event::MappingEnd, State::Keys) => self.state = State::Done,
            (Event::Scalar(text, style, ..), State::Outside) if is_nothing(text, *style) => self.state = State::Done,
            (Event::Scalar(text, ..), State::Keys) => self.state = State::Value(self.key(text).map_err(|message| fault(&message))?),
            (Event::Scalar(text, style, ..), State::Value(key)) => {
                let text = if is_nothing(text, *style) { "" } else { text };
                self.value(key, text).map_err(|message| fault(&message))?;
                self.state = State::Keys;
            }
            (Event::SequenceStart(..), State::Value("cflags")) => self.state = State::Flags,
            (Event::Scalar(text, ..), State::Flags) => self.flag((**text).to_owned()).map_err(|message| fault(&message))?,
            (Event::SequenceEnd, State::Flags) => self.state = State::Keys,
            (Event::Alias(_), _) => return Err(fault("aliases are not read here")),
            (Event::SequenceStart(..) | Event::MappingStart(..), State::Value(key)) => {
                let wanted = if key == "cflags" { "text or a list of flags" } else { "a path" };
                return Err(fault(&format!("{key} is {wanted}")));
            }
            (Event::MappingStart(..) | Event::SequenceStart(..), State::Flags) => return Err(fault("a flag is text")),
            (Event::SequenceStart(..) | Event::MappingStart(..), State::Keys) => return Err(fault("a key is text")),
            (Event::Scalar(..) | Event::SequenceStart(..), State::Outside) => return Err(fault("expected a mapping, such as cflags: -O1")),
            (Event::DocumentStart(..), State::Done) => return Err(fault("there is a second document")),
            _ => {}
        }
        Ok(())
    }

    fn key(&mut self, text: &str) -> Result<&'static str, String> {
        let Some(key) = KEYS.into_iter().find(|key| *key == text) else {
            let likely = KEYS.into_iter().map(|key| (strsim::jaro_winkler(&text.to_lowercase(), key), key));
            let best = likely.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= 0.8);
            let hint = best.map(|(_, key)| format!(", did you mean {key:?}?")).unwrap_or_default();
            let text: String = text.chars().take(64).collect();
            return Err(format!("unknown key {text:?}{hint}; there are {}", KEYS.join(", ")));
        };
        if self.seen.contains(&key) {
            return Err(format!("{key} stands here twice"));
        }
        self.seen.push(key);
        Ok(key)
    }

    fn value(&mut self, key: &str, text: &str) -> Result<(), String> {
        if key == "cflags" {
            return cflags::split(text)?.into_iter().try_for_each(|flag| self.flag(flag));
        }
        // What a compiler might take for something else than a path.
        if text.starts_with(['-', '@']) || text.contains('\0') {
            return Err(format!("{key} cannot be {text:?}: it is a path, which begins with neither - nor @"));
        }
        let path = Some(PathBuf::from(text)).filter(|_| !text.is_empty());
        match key {
            "ebpfsource" => self.file.ebpf_source = path,
            "metadata" => self.file.metadata = path.unwrap_or_else(|| BuildFile::default().metadata),
            _ => self.file.wasm = path,
        }
        Ok(())
    }

    fn flag(&mut self, flag: String) -> Result<(), String> {
        if self.file.cflags.len() == FLAGS_LIMIT {
            return Err(format!("there are more than {FLAGS_LIMIT} flags"));
        }
        cflags::check(self.file.cflags.last().map(String::as_str), &flag)?;
        self.file.cflags.push(flag);
        Ok(())
    }
}

fn is_nothing(text: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(text, "" | "~" | "null")
}
