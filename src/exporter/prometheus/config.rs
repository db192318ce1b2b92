//! Settings of the Prometheus exporter, under the Collector's names.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::translate::SCOPE_LABELS;
use crate::component::duration;
use crate::exporter::series::DEFAULT_LIMIT;
use crate::exporter::{SettingError, Settings};

/// Settings of the Prometheus exporter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Prometheus fetches /metrics: host:port.
    pub endpoint: String,
    /// Put before each metric's name.
    #[serde(default)]
    pub namespace: String,
    /// Labels that every series gets.
    #[serde(default)]
    pub const_labels: BTreeMap<String, String>,
    /// Series that got nothing for so long are no longer exposed; 0s keeps them as long as their gadget runs. Their counts are
    /// forgotten: a counter that comes back starts at zero.
    #[serde(default = "never")]
    pub metric_expiration: String,
    /// Only false: Prometheus's own time of the scrape is the right one for values read at the scrape.
    #[serde(default)]
    pub send_timestamps: bool,
    /// Only disabled: resource attributes are in target_info.
    #[serde(default)]
    pub resource_to_telemetry_conversion: ResourceConversion,
    /// Whether scrapers that ask for OpenMetrics get it.
    #[serde(default = "yes")]
    pub enable_open_metrics: bool,
    /// Whether names get the suffix of their unit and values are scaled to base units (seconds, bytes).
    #[serde(default = "yes")]
    pub add_metric_suffixes: bool,
    /// Most series that the metrics of one gadget with the same attributes may have; the rest goes into one overflow series.
    #[serde(default = "limit")]
    pub limit: usize,
}

/// `resource_to_telemetry_conversion`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceConversion {
    /// Only false.
    #[serde(default)]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

fn limit() -> usize {
    DEFAULT_LIMIT
}

fn never() -> String {
    "0s".to_owned()
}

impl Config {
    /// After how long series without news are forgotten; `None` is never.
    pub fn expiration(&self) -> Option<Duration> {
        duration::parse(&self.metric_expiration).filter(|d| !d.is_zero())
    }
}

impl Settings for Config {
    fn problems(&self) -> Vec<SettingError> {
        let mut problems = Vec::new();
        let mut add = |path: &str, message: String| problems.push(SettingError { path: path.to_owned(), message });
        let port = self.endpoint.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            add("endpoint", format!("{:?} is not host:port, for instance 127.0.0.1:9464 or 0.0.0.0:9464", self.endpoint));
        }
        if self.send_timestamps {
            add("send_timestamps", "timestamps are not sent: values are read at the scrape, whose time Prometheus knows".to_owned());
        }
        if self.resource_to_telemetry_conversion.enabled {
            let message = "resource attributes are not copied to each series: join with target_info, or use const_labels";
            add("resource_to_telemetry_conversion.enabled", message.to_owned());
        }
        if duration::parse(&self.metric_expiration).is_none() {
            add("metric_expiration", format!("{:?} is not a duration such as 5m or 1h30m", self.metric_expiration));
        }
        if self.limit == 0 {
            add("limit", "must be at least 1".to_owned());
        }
        for name in self.const_labels.keys().filter(|name| !valid_label(name)) {
            add(&format!("const_labels.{name}"), format!("{name:?} is not a label name that is free to use"));
        }
        problems
    }
}

fn valid_label(name: &str) -> bool {
    let start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let reserved = name.starts_with("__") || ["le", "quantile"].contains(&name) || SCOPE_LABELS.contains(&name);
    start && !reserved && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
