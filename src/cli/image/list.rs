//! `gadgetry image list`.

use std::collections::HashSet;
use std::io::IsTerminal;

use oci_spec::image::Descriptor;
use serde::Serialize;

use super::StoreArgs;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::image::layout::{Files, name_of};
use crate::image::store::{Store, is_image};
use crate::image::{Reference, Stores, embedded_layout, embedded_names};
use crate::kernel::clock;

pub(super) const EXAMPLES: &str = "Examples:\n  gadgetry image list\n  gadgetry image list --no-trunc\n  gadgetry image list -o jsonpretty";

/// When an image was made.
const CREATED: &str = "org.opencontainers.image.created";
/// Images are not as old as the years before.
const FIRST_YEAR: u32 = 1980;
/// What names of the default registry and folder do not show.
const DEFAULT: &str = "ghcr.io/inspektor-gadget/gadget/";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show whole digests, dates and numbers of bytes
    #[arg(long)]
    no_trunc: bool,
    /// How to write them
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "columns")]
    output: Format,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Columns,
    Json,
    Jsonpretty,
}

/// One image. The first four members are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Row {
    repository: String,
    tag: String,
    digest: String,
    /// RFC 3339; empty when the image does not say.
    created: String,
    /// Bytes of all architectures; none when the image is damaged.
    size: Option<u64>,
    /// Whether it is built into this program.
    embedded: bool,
}

/// Stands for the name of an image that has none, as other tools write it.
const NAMELESS: &str = "<none>";

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    args.store.store()?;
    let rows = rows(&args.store.stores())?;
    let text = match args.output {
        Format::Columns => table(&rows, !args.no_trunc && std::io::stdout().is_terminal(), clock::unix_now() / 1_000_000_000),
        Format::Json => serde_json::to_string(&rows).map_err(|error| Failure::RunTime(error.into()))? + "\n",
        Format::Jsonpretty => serde_json::to_string_pretty(&rows).map_err(|error| Failure::RunTime(error.into()))? + "\n",
    };
    output::write(text.as_bytes())
}

/// The images of the stores and of the program, in order; of several with one name that of the first store, which is the one that is run.
fn rows(stores: &Stores) -> Result<Vec<Row>, Failure> {
    let (mut rows, mut seen) = (Vec::new(), HashSet::new());
    for (number, store) in stores.all().enumerate() {
        let mut stored = match store.roots() {
            Ok(roots) => roots,
            Err(error) if number == 0 => return Err(Failure::RunTime(error.into())),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(store = %store.folder().display(), error, "image store cannot be read");
                continue;
            }
        };
        let key = |root: &Descriptor| name_of(root).map_or_else(|| root.digest().to_string(), str::to_owned);
        stored.retain(|root| is_image(root) && !seen.contains(&key(root)));
        seen.extend(stored.iter().map(key));
        let files = store.files();
        rows.extend(stored.iter().map(|root| row(&files, root, false)));
    }
    for layout in embedded_names().into_iter().filter_map(embedded_layout) {
        let roots = layout.roots().map_err(|error| Failure::RunTime(error.into()))?;
        rows.extend(roots.iter().map(|root| row(&layout, root, true)));
    }
    rows.sort();
    Ok(rows)
}

fn row(files: &Files<'_>, root: &Descriptor, embedded: bool) -> Row {
    let name = name_of(root).unwrap_or_default();
    // Another tool's name, that is no reference, stays as it is.
    let parsed = Reference::parse(name).ok().filter(|parsed| parsed.to_string() == name);
    let repository = parsed.as_ref().map_or_else(|| name.to_owned(), |parsed| format!("{}/{}", parsed.domain, parsed.repository));
    Row {
        repository: repository.strip_prefix(DEFAULT).unwrap_or(&repository).to_owned(),
        tag: parsed.and_then(|parsed| parsed.tag).unwrap_or_default(),
        digest: root.digest().to_string(),
        created: created(files, root).unwrap_or_default(),
        size: Store::size(files, root),
        embedded,
    }
}

/// What the image, or else its first manifest, says about when it was made.
fn created(files: &Files<'_>, root: &Descriptor) -> Option<String> {
    let index = files.index(root).ok()?;
    let first = index.manifests().first().and_then(|manifest| manifest.annotations().as_ref());
    [index.annotations().as_ref(), first].into_iter().flatten().find_map(|all| all.get(CREATED)).cloned()
}

/// A table; `short` for people: the beginning of digests, ages, sizes in units.
fn table(rows: &[Row], short: bool, now: u64) -> String {
    let mut lines = vec![["REPOSITORY", "TAG", "DIGEST", "CREATED", "SIZE", "EMBEDDED"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| cells(row, short, now)));
    let mut widths = [0; 6];
    for line in &lines {
        widths.iter_mut().zip(line).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    let padded =
        lines.iter().map(|line| line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join(" "));
    padded.map(|line| format!("{}\n", line.trim_end())).collect()
}

fn cells(row: &Row, short: bool, now: u64) -> [String; 6] {
    let digest = if short { row.digest.trim_start_matches("sha256:").chars().take(12).collect() } else { row.digest.clone() };
    let age = || if is_told(&row.created) { Some(age(now.saturating_sub(seconds(&row.created)?))) } else { Some("-".to_owned()) };
    let age = short.then(age).flatten();
    let size = row.size.map_or_else(|| "damaged".to_owned(), |bytes| if short { output_size(bytes) } else { bytes.to_string() });
    let embedded = if row.embedded { "yes" } else { "" };
    // Control characters would let an image's name write to the terminal.
    let named = |text: &str| if row.repository.is_empty() { NAMELESS.to_owned() } else { text.to_owned() };
    [named(&row.repository), named(&row.tag), digest, age.unwrap_or_else(|| row.created.clone()), size, embedded.to_owned()]
        .map(|cell| cell.replace(char::is_control, "?"))
}

/// `1.5 MB` and the like, of a thousand each.
pub(super) fn output_size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match units.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
        None => format!("{bytes} B"),
    }
}

/// Whether a date says when something was made: builders that do not tell write that of an epoch.
fn is_told(date: &str) -> bool {
    let year = date.get(..4).and_then(|year| year.parse::<u32>().ok());
    !date.is_empty() && year.is_none_or(|year| year >= FIRST_YEAR)
}

/// `3 days ago` and the like.
fn age(seconds: u64) -> String {
    let units = [("year", 31_536_000), ("month", 2_592_000), ("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60)];
    match units.into_iter().find(|(_, size)| seconds >= *size) {
        Some((unit, size)) => format!("{} {unit}{} ago", seconds / size, if seconds / size == 1 { "" } else { "s" }),
        None => "less than a minute ago".to_owned(),
    }
}

/// Seconds since the Unix epoch of an RFC 3339 date of this era; fractions are left out.
fn seconds(date: &str) -> Option<u64> {
    let number = |from: usize, to: usize| {
        date.get(from..to)?.bytes().all(|b| b.is_ascii_digit()).then(|| date.get(from..to)?.parse::<i64>().ok())?
    };
    let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
    if !marks.iter().all(|(at, mark)| date.get(*at..at + 1).is_some_and(|found| found.eq_ignore_ascii_case(mark))) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let clock = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let zone = date.get(19..)?.trim_start_matches(['.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let offset =
        match (zone.get(..1)?, zone.get(1..3).and_then(|h| h.parse::<i64>().ok()), zone.get(4..6).and_then(|m| m.parse::<i64>().ok())) {
            ("Z" | "z", _, _) => 0,
            ("+", Some(hours), Some(minutes)) => hours * 3_600 + minutes * 60,
            ("-", Some(hours), Some(minutes)) => -(hours * 3_600 + minutes * 60),
            _ => return None,
        };
    // Days of the civil calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + clock - offset).ok()
}

#[cfg(test)]
mod tests;
