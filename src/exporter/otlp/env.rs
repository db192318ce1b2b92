//! `OTEL_EXPORTER_OTLP_*` as the OpenTelemetry specification defines them.

use std::time::Duration;

use super::config::Signal;

/// The environment, or what a test puts in its place. An empty variable counts as not set.
pub(super) struct Environment<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

/// The environment of this process.
pub(super) const PROCESS: Environment<'static> = Environment(&|name| std::env::var(name).ok());

impl Environment<'_> {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty()).map(|value| value.trim().to_owned())
    }

    /// `OTEL_EXPORTER_OTLP_<signal>_<key>`, else `OTEL_EXPORTER_OTLP_<key>`.
    pub(super) fn get_for(&self, signal: Signal, key: &str) -> Option<String> {
        let signal = match signal {
            Signal::Logs => "LOGS",
            Signal::Metrics => "METRICS",
        };
        self.get(&format!("OTEL_EXPORTER_OTLP_{signal}_{key}")).or_else(|| self.get(&format!("OTEL_EXPORTER_OTLP_{key}")))
    }

    pub(super) fn milliseconds(&self, name: &str) -> Option<Duration> {
        self.get(name)?.parse().ok().map(Duration::from_millis)
    }

    pub(super) fn milliseconds_for(&self, signal: Signal, key: &str) -> Option<Duration> {
        self.get_for(signal, key)?.parse().ok().map(Duration::from_millis)
    }

    /// `k1=v1,k2=v2` with percent-encoded values; pairs that are none are left out, as the specification says.
    pub(super) fn headers(&self, signal: Signal) -> Vec<(String, String)> {
        let text = self.get_for(signal, "HEADERS").unwrap_or_default();
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.trim().to_owned(), percent_decoded(value.trim()))).filter(|(name, _)| !name.is_empty()).collect()
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}
