//! `gadgetry image inspect`.

mod path;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use path::Path;

use super::ImageArgs;
use crate::cli::exit::Failure;
use crate::cli::value::{self, Boolean};
use crate::cli::{output, progress};
use crate::config::GadgetPlan;
use crate::container::Selector;
use crate::gadget::{self, Annotation};
use crate::image::{GadgetImage, Images};
use crate::inspect::sources::{self, DataSource, Described};
use crate::inspect::{self, Addendum, JSON, YAML};
use crate::pipeline;

pub(super) const EXAMPLES: &str = "\
Keys of --extra-info, as far as the image has what they are about:
  oci.manifest  oci.metadata  oci.repository  oci.tag  oci.created
  oci.digest                   of the metadata (the config blob), as `ig` gives it
  oci.image.digest             of the image
  ebpf.sections  ebpf.maps  ebpf.variables
  ebpf.programs                listings, with lines of the source where the object has them
  ebpf.flowchart  ebpf.sequence   which program does what to which map, as Mermaid diagrams
  wasm.gadgetAPIVersion  wasm.upcalls

Examples:
  gadgetry image inspect trace_open
  gadgetry image inspect trace_open --extra-info ebpf.flowchart
  gadgetry image inspect trace_open --extra-info oci.manifest --jsonpath '.layers[*].mediaType' -o yaml
  gadgetry image inspect trace_open --extra-info ebpf.programs --jsonpath '[0].SourceWithRelocation'
  gadgetry image inspect trace_open --show-datasources --jsonpath '[0].fields[*].fullName'";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image, as `gadgetry run` takes it
    #[arg(value_name = "IMAGE")]
    image: String,
    /// How to print
    #[arg(short, long, value_name = "MODE", value_enum, default_value_t = Output::Jsonpretty)]
    output: Output,
    /// Print only this
    #[arg(long, value_name = "KEY", conflicts_with = "show_datasources")]
    extra_info: Option<String>,
    /// Print only what this JSONPath finds; the leading $ is implied. Needs --extra-info with JSON or YAML, or --show-datasources
    #[arg(long, value_name = "PATH")]
    jsonpath: Option<String>,
    /// Print the data sources with their fields
    #[arg(long)]
    show_datasources: bool,
    #[command(flatten)]
    opening: ImageArgs,
    /// Whether the image must be signed; not by default: looking at an image runs nothing of it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = value::boolean, hide_possible_values = true, value_name = "BOOL", help_heading = "Image")]
    verify_image: Boolean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// JSON, indented.
    Jsonpretty,
    /// JSON in one line.
    Json,
    /// YAML.
    Yaml,
}

/// An entry of the map of all extra info.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    content_type: &'a str,
    content: String,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.jsonpath.is_some() && args.extra_info.is_none() && !args.show_datasources {
        return Err(Failure::Usage("--jsonpath needs --extra-info or --show-datasources".to_owned()));
    }
    let path = args.jsonpath.as_deref().map(Path::parse).transpose()?;
    let image = open(args)?;
    let text = match (&args.extra_info, args.show_datasources) {
        (_, true) => find(json(&data_sources(&image, &args.opening.annotations())?)?, path.as_ref(), args.output)?,
        (Some(key), _) => {
            let info = inspect::extra_info(&image).map_err(run_time)?;
            one(key, info.get(key).map_err(run_time)?, path.as_ref(), args.output)?
        }
        (None, _) => {
            let info = inspect::extra_info(&image).map_err(run_time)?;
            let entries: BTreeMap<_, _> = info.entries.iter().map(|(key, addendum)| (key, entry(addendum))).collect();
            render(&json(&entries)?, args.output)?
        }
    };
    output::write(text.as_bytes())
}

fn open(args: &Args) -> Result<GadgetImage, Failure> {
    let images = Images::new(&args.opening.settings(args.verify_image)).map_err(run_time)?.with_progress(progress::transfers().into());
    images.open(&args.image, args.opening.pull).map_err(run_time)
}

fn run_time(error: impl std::error::Error + 'static) -> Failure {
    Failure::RunTime(Box::new(error))
}

fn entry(addendum: &Addendum) -> Entry<'_> {
    Entry { content_type: addendum.content_type, content: String::from_utf8_lossy(&addendum.content).into_owned() }
}

fn json(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(run_time)
}

/// One entry: text as it is, JSON and YAML in the form that is wanted.
fn one(key: &str, addendum: &Addendum, path: Option<&Path>, output: Output) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(&addendum.content);
    let value = match addendum.content_type {
        JSON => serde_json::from_str(&text).map_err(run_time)?,
        // Comments are worth keeping.
        YAML if path.is_none() && output == Output::Yaml => return Ok(ended(text.into_owned())),
        YAML => serde_saphyr::from_str(&text).map_err(|error| Failure::RunTime(format!("read {key} as YAML: {error}").into()))?,
        kind if path.is_some() => {
            return Err(Failure::Usage(format!("--jsonpath needs JSON or YAML, and {key} is {kind}")));
        }
        _ => return Ok(ended(text.into_owned())),
    };
    find(value, path, output)
}

fn find(value: Value, path: Option<&Path>, output: Output) -> Result<String, Failure> {
    let found = match path {
        Some(path) => path.find(&value)?,
        None => value,
    };
    render(&found, output)
}

/// A text is printed as it is.
fn render(value: &Value, output: Output) -> Result<String, Failure> {
    if let Value::String(text) = value {
        return Ok(ended(text.clone()));
    }
    let text = match output {
        Output::Json => serde_json::to_string(value).map_err(run_time)?,
        Output::Jsonpretty => serde_json::to_string_pretty(value).map_err(run_time)?,
        Output::Yaml => serde_saphyr::to_string(value).map_err(run_time)?,
    };
    Ok(ended(text))
}

fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The data sources with the fields that a run would have.
fn data_sources(image: &GadgetImage, annotations: &[Annotation]) -> Result<Vec<DataSource>, Failure> {
    let open = || gadget::open_annotated(image, "inspect", annotations).map_err(run_time);
    let opened = open()?;
    let plan = GadgetPlan {
        name: opened.identity.instance.clone(),
        image: image.reference.clone(),
        digest: None,
        params: BTreeMap::new(),
        buffer: None,
        containers: Selector::default(),
        operators: Vec::new(),
        metrics: Vec::new(),
        exporters: Vec::new(),
    };
    let schemas = pipeline::schemas(open()?, &plan, false).map_err(run_time)?;
    let described: Vec<_> = opened
        .sources
        .iter()
        .zip(&schemas)
        .map(|(source, schema)| Described { schema, origin: &source.origin, tags: opened.manifest.source(&source.name).tags })
        .collect();
    Ok(sources::messages(&described))
}
