//! OTLP: events as logs, map gadgets as metrics, over gRPC ([`grpc::KIND`]) or HTTP ([`http::KIND`]).

mod answer;
pub mod config;
pub mod encode;
mod env;
pub mod grpc;
pub mod http;
mod metrics;
pub mod resolve;
mod service;
#[cfg(test)]
mod tests;
mod tls;
