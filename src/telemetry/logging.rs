//! The collector's log on stderr, and the place where its traces are tapped.

#[cfg(test)]
mod tests;

use std::os::fd::AsFd;

use super::terminal::Terminal;
use crate::kernel::terminal;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Variables that hold a filter, the first that is set counts.
const VARIABLES: [&str; 2] = ["GADGETRY_LOG", "RUST_LOG"];

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// A filter that cannot be read.
    #[error("read the log filter {filter:?} of {origin}")]
    Filter {
        /// The text.
        filter: String,
        /// The variable or setting it is from.
        origin: &'static str,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else set the process's subscriber before.
    #[error("install the log")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

type Tap = Option<Box<dyn Layer<Registry> + Send + Sync>>;

/// The installed log.
#[derive(Clone)]
pub struct Logging {
    tap: reload::Handle<Tap, Registry>,
}

impl Logging {
    /// From now on also shows `layer` our own spans and events of level INFO and above; `None` ends that.
    pub fn tap(&self, layer: Tap) {
        if self.tap.reload(layer).is_err() {
            tracing::warn!("own traces could not be attached to the log");
        }
    }
}

/// Sends the log of this process to stderr. `level` is a filter such as `info` or `info,gadgetry::loader=debug`; `GADGETRY_LOG` and
/// `RUST_LOG` go before it. Colours only on a terminal and without `NO_COLOR`.
///
/// # Errors
/// When the filter cannot be read, or a log is installed already.
pub fn init(format: LogFormat, level: &str) -> Result<Logging, LoggingError> {
    let filter = filter(|name| std::env::var(name).ok(), level)?;
    let colours = terminal::takes_colours(std::io::stderr().as_fd());
    let (subscriber, logging) = subscriber(format, filter, colours, || Terminal);
    subscriber.try_init()?;
    Ok(logging)
}

fn filter(variable: impl Fn(&str) -> Option<String>, level: &str) -> Result<EnvFilter, LoggingError> {
    let set = VARIABLES.iter().find_map(|name| Some((*name, variable(name).filter(|v| !v.trim().is_empty())?)));
    match set {
        Some((origin, filter)) => EnvFilter::try_new(&filter).map_err(|source| LoggingError::Filter { filter, origin, source }),
        None => {
            // These speak at INFO about what nobody asked.
            let filter = format!(
                "h2=warn,hyper=warn,tower=warn,bollard=warn,opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry-otlp=warn,{level}"
            );
            let origin = "the log level";
            EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter { filter: level.to_owned(), origin, source })
        }
    }
}

pub(super) fn subscriber<W>(format: LogFormat, filter: EnvFilter, colours: bool, writer: W) -> (impl Subscriber + Send + Sync, Logging)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (tap, handle) = reload::Layer::new(Tap::None);
    // The filter stands outside of the reloaded layer: one inside would not be registered when it is put in later.
    let tap = tap.with_filter(filter_fn(ours));
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    (tracing_subscriber::registry().with(tap).with(lines), Logging { tap: handle })
}

/// Whether it is from our code: what the transport of the traces says would be traced in a circle.
fn ours(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= LevelFilter::INFO && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}
