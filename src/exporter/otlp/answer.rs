//! What receivers answer, in the terms of the sender.

use std::error::Error;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::exporter::sender::Outcome;

/// Longest text of a receiver that is worth repeating, in characters.
const MAX_TEXT: usize = 300;

/// The outcome of an accepted request. `ExportMetricsServiceResponse` has the same fields under other names, so one type reads both.
pub(super) fn accepted(response: &[u8]) -> Outcome {
    // A body that cannot be read says nothing about records, and the status said that they were taken.
    let partial = ExportLogsServiceResponse::decode(response).ok().and_then(|r| r.partial_success);
    match partial {
        Some(p) if p.rejected_log_records > 0 => {
            Outcome::Partial { rejected: p.rejected_log_records.unsigned_abs(), message: shortened(&p.error_message) }
        }
        Some(p) if !p.error_message.is_empty() => {
            tracing::warn!(message = shortened(&p.error_message), "receiver took everything but warns");
            Outcome::Delivered
        }
        _ => Outcome::Delivered,
    }
}

/// The outcome of a failed gRPC call: which codes may be tried again is in the OTLP specification.
pub(super) fn of_status(status: &Status) -> Outcome {
    let after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let demanded = status.get_details_retry_info().is_some();
    // With a source it is no answer of the receiver but a connection that failed or broke.
    let local = status.source().is_some();
    let message = match status.source() {
        Some(source) => chain(source),
        None => shortened(&format!("{:?}: {}", status.code(), status.message())),
    };
    let retryable = match status.code() {
        Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::OutOfRange | Code::Unavailable | Code::DataLoss => true,
        Code::ResourceExhausted => demanded || local,
        _ => local,
    };
    if retryable { Outcome::Retry { after, message } } else { Outcome::Refused { message } }
}

/// The outcome of an HTTP answer that is not a success.
pub(super) fn of_http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let text = match tonic_types::pb::Status::decode(body) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    let message = shortened(format!("{status} {}", text.trim()).trim());
    match status.as_u16() {
        429 | 502 | 503 | 504 => Outcome::Retry { after: retry_after(headers, SystemTime::now()), message },
        _ => Outcome::Refused { message },
    }
}

/// `Retry-After`: seconds or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

/// An error with its sources, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = error.source();
    }
    shortened(&text)
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}
