//! Settings of a sender under the OpenTelemetry Collector's key names: `sending_queue`, `retry_on_failure`, `timeout`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de};

use super::units;
use crate::exporter::SettingError;

/// Everything a sender can be told. Flattened fields are not used because they would accept unknown keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SenderSettings {
    /// The queue.
    pub queue: QueueSettings,
    /// Retries.
    pub retry: RetrySettings,
    /// Longest time one attempt may take; zero for no limit.
    pub timeout: Duration,
}

impl SenderSettings {
    /// What deserialization cannot say: everything that is understood but not possible.
    pub fn check(&self) -> Vec<SettingError> {
        let mut errors = self.queue.check();
        errors.extend(self.retry.check());
        errors
    }
}

/// `sending_queue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// Must be true: events cannot wait in the kernel, so the queue can be small but not absent.
    pub enabled: bool,
    /// Requests under way at the same time.
    #[schemars(range(min = 1, max = 100))]
    pub num_consumers: usize,
    /// Upper limit of everything queued or under way: a size like `64MiB`, or a count in the unit of `sizer`.
    pub queue_size: QueueSize,
    /// What `queue_size` counts. Without it a size with a unit is bytes and a bare number is requests, as in the Collector.
    pub sizer: Option<Sizer>,
    /// Must be false: a full queue drops and counts, it never makes the kernel's ring wait.
    pub block_on_overflow: bool,
    /// Where the queue is kept; only `memory` for now.
    pub storage: String,
    /// How chunks of several gadgets are put together to one request.
    pub batch: BatchSettings,
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings {
            enabled: true,
            num_consumers: 10,
            queue_size: QueueSize { amount: 64 << 20, bytes: true },
            sizer: None,
            block_on_overflow: false,
            storage: "memory".to_owned(),
            batch: BatchSettings::default(),
        }
    }
}

impl QueueSettings {
    /// The unit of the queue's limit.
    pub fn sizer(&self) -> Sizer {
        match self.sizer {
            Some(sizer) => sizer,
            None if self.queue_size.bytes => Sizer::Bytes,
            None => Sizer::Requests,
        }
    }

    fn check(&self) -> Vec<SettingError> {
        let mut errors = Vec::new();
        let mut wrong =
            |key: &str, message: &str| errors.push(SettingError { path: format!("sending_queue.{key}"), message: message.to_owned() });
        if !self.enabled {
            wrong("enabled", "must be true: events cannot wait in the kernel; make queue_size small instead");
        }
        if self.block_on_overflow {
            wrong("block_on_overflow", "must be false: a full queue drops and counts, it never blocks the kernel's ring");
        }
        if self.storage != "memory" {
            wrong("storage", &format!("{:?} is not supported yet, only \"memory\"", self.storage));
        }
        if self.num_consumers == 0 || self.num_consumers > 100 {
            wrong("num_consumers", "must be between 1 and 100");
        }
        if self.queue_size.amount == 0 {
            wrong("queue_size", "must be greater than 0");
        }
        if self.queue_size.bytes && self.sizer() != Sizer::Bytes {
            wrong("queue_size", "has a unit of bytes, but sizer counts something else");
        }
        if self.batch.max_size > 0 && self.batch.max_size < self.batch.min_size {
            wrong("batch.max_size", "must not be smaller than min_size");
        }
        if self.batch.sizer == Sizer::Requests {
            wrong("batch.sizer", "must be items or bytes");
        }
        errors
    }
}

/// A queue limit: a size in bytes or a bare count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSize {
    /// How many.
    pub amount: u64,
    /// Whether it had a unit of bytes.
    pub bytes: bool,
}

impl Serialize for QueueSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.bytes {
            true if self.amount.is_multiple_of(1 << 20) => serializer.serialize_str(&format!("{}MiB", self.amount >> 20)),
            true => serializer.serialize_str(&format!("{}B", self.amount)),
            false => serializer.serialize_u64(self.amount),
        }
    }
}

impl<'de> Deserialize<'de> for QueueSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match units::Scalar::deserialize(deserializer)? {
            units::Scalar::Number(amount) => QueueSize { amount, bytes: false },
            units::Scalar::Text(text) => {
                let bytes = text.ends_with(|c: char| !c.is_ascii_digit());
                QueueSize { amount: units::parse_size(&text).map_err(de::Error::custom)?, bytes }
            }
        })
    }
}

impl JsonSchema for QueueSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "QueueSize".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        units::size_schema(generator)
    }
}

/// What a size counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    /// Encoded bytes.
    Bytes,
    /// Records.
    Items,
    /// Chunks as the gadgets' workers hand them over.
    Requests,
}

/// `sending_queue.batch`. Whatever is set here, a request is also closed at 1 MiB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSettings {
    /// A smaller request leaves after this time.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub flush_timeout: Duration,
    /// What the sizes count: `items` or `bytes`.
    pub sizer: Sizer,
    /// A request of this size leaves at once.
    #[serde(with = "units::size")]
    #[schemars(schema_with = "units::size_schema")]
    pub min_size: u64,
    /// No request is put together to more than this; 0 for no limit of its own.
    #[serde(with = "units::size")]
    #[schemars(schema_with = "units::size_schema")]
    pub max_size: u64,
}

impl Default for BatchSettings {
    fn default() -> Self {
        BatchSettings { flush_timeout: Duration::from_millis(200), sizer: Sizer::Items, min_size: 8192, max_size: 0 }
    }
}

/// `retry_on_failure`: exponential back-off with jitter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// Whether to try again at all.
    pub enabled: bool,
    /// Wait before the second attempt.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub initial_interval: Duration,
    /// A wait is spread evenly by this share up and down.
    #[schemars(range(min = 0, max = 1))]
    pub randomization_factor: f64,
    /// By how much each wait is longer than the one before.
    #[schemars(range(min = 1))]
    pub multiplier: f64,
    /// Longest wait.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub max_interval: Duration,
    /// When to give up, counted from the first attempt; zero for never.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub max_elapsed_time: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        RetrySettings {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl RetrySettings {
    fn check(&self) -> Vec<SettingError> {
        let mut errors = Vec::new();
        let mut wrong =
            |key: &str, message: &str| errors.push(SettingError { path: format!("retry_on_failure.{key}"), message: message.to_owned() });
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            wrong("randomization_factor", "must be between 0 and 1");
        }
        if !(1.0..=1000.0).contains(&self.multiplier) {
            wrong("multiplier", "must be between 1 and 1000");
        }
        if self.enabled && self.initial_interval.is_zero() {
            wrong("initial_interval", "must be greater than 0");
        }
        errors
    }
}
