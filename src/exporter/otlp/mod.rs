//! OTLP: events as logs, map gadgets as metrics, over gRPC or HTTP.

pub mod encode;
