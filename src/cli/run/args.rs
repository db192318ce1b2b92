//! The flags that `run` has for every gadget.

use crate::cli::image::ImageArgs;
use crate::cli::kubernetes::KubernetesFlags;
use crate::cli::runtimes::RuntimeFlags;
use crate::cli::selection::SelectionFlags;
use crate::cli::value::{self, Boolean};
use crate::config::OperatorPlan;
use crate::container::Selector;
use crate::gadget::Annotation;
use crate::image::Settings;
use crate::loader::SocketFields;

/// Shown below `run --help`.
pub(in crate::cli) const EXAMPLES: &str = "\
IMAGE is one of
  trace_open                    an embedded gadget
  ghcr.io/me/gadget:v1          an image in the store, else pulled from its registry
  sha256:...                    an image in the store, by digest
  ./layout  ./images.tar[.gz]   an OCI image layout, as folder or archive; ./images.tar:NAME when it has several images
  ./build                       a folder with a compiled object (*.o) and its gadget.yaml

Examples:
  gadgetry run trace_open --help             the gadget's own flags, and its fields
  gadgetry run trace_open --host -t 5
  gadgetry run trace_exec -c web,db -o json
  gadgetry run trace_exec --k8s-namespace shop --k8s-selector app=web,tier=!test
  gadgetry run trace_open --host --pid 1234 --fields comm,fname -F 'error!='";

/// Arguments of `run`.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Args {
    /// The gadget to run
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Ends after so many seconds; 0: runs until stopped
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0)]
    pub timeout: u64,
    /// How much the kernel holds until it is read, as 4MiB; a power of two of at least one page is made of it
    #[arg(long, value_name = "SIZE", value_parser = value::buffer)]
    pub buffer: Option<u32>,
    /// What is kept of the process behind each socket: cwd and exepath, each with =SIZE in bytes, a power of two up to 4096
    #[arg(long, value_name = "FIELD,...", default_value_t, value_parser = value::socket_fields)]
    pub socket_enricher_fields: SocketFields,
    /// Logs more
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = value::boolean, hide_default_value = true, hide_possible_values = true, value_name = "BOOL", display_order = 99)]
    pub verbose: Boolean,

    /// Output mode: columns, json, jsonpretty, yaml or none; per data source: SOURCE:MODE,...
    #[arg(short, long, value_name = "MODE", value_parser = value::text, help_heading = "Output")]
    pub output: Option<String>,
    /// Columns: a,b exactly these; +a,-b in addition to or without the usual ones; per data source: SOURCE:a,b;SOURCE:c
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true, value_parser = value::text, help_heading = "Output")]
    pub fields: Option<String>,
    /// Only events that fit all rules: FIELD OP VALUE without blanks, separated by commas; OP is one of == != < <= > >= ~ !~
    #[arg(short = 'F', long, value_name = "RULES", value_parser = value::text, help_heading = "Output")]
    pub filter: Vec<String>,
    /// Only events for which the expression is true, such as 'proc.comm == "sh" && proc.pid > 1'
    #[arg(short = 'E', long, value_name = "EXPRESSION", value_parser = value::text, help_heading = "Output")]
    pub filter_expr: Vec<String>,

    /// Also what happens outside of containers
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = value::boolean, hide_default_value = true, hide_possible_values = true, value_name = "BOOL", help_heading = "Containers")]
    pub host: Boolean,
    #[command(flatten)]
    selection: SelectionFlags,
    #[command(flatten)]
    pub runtimes: RuntimeFlags,
    #[command(flatten)]
    pub kubernetes: KubernetesFlags,

    #[command(flatten)]
    pub opening: ImageArgs,
    /// Whether the image must be signed; those built in need no signature
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = value::boolean, hide_possible_values = true, value_name = "BOOL", help_heading = "Image")]
    pub verify_image: Boolean,
    /// Without effect: nothing that could be mounted is needed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = value::boolean, hide = true)]
    auto_mount_filesystems: Option<Boolean>,
}

impl Args {
    /// The containers that are wanted. Without `--host` the host is left out.
    pub(super) fn selector(&self) -> Selector {
        self.selection.selector(self.host)
    }

    /// How its image is found, pulled and checked.
    pub(super) fn images(&self) -> Settings {
        self.opening.settings(self.verify_image)
    }

    /// The filters, in the order given, rules first.
    pub(super) fn operators(&self) -> Vec<OperatorPlan> {
        let filter =
            |grammar: &str, text: &String| OperatorPlan { kind: "filter".to_owned(), settings: serde_json::json!({ grammar: text }) };
        let rules = self.filter.iter().map(|text| filter("rules", text));
        rules.chain(self.filter_expr.iter().map(|text| filter("expression", text))).collect()
    }

    /// The annotations that are set, in the order given.
    pub(super) fn annotations(&self) -> Vec<Annotation> {
        self.opening.annotations()
    }
}
