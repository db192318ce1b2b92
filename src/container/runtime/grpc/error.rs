//! Why a daemon that speaks gRPC could not be heard.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};

use crate::container::runtime::{bounds, reason};

/// Longest word of a daemon that is repeated, in bytes.
const MESSAGE_LIMIT: usize = 300;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The socket could not be connected to.
    #[error("connect")]
    Connect(#[source] Box<tonic::transport::Error>),
    /// No answer came in time.
    #[error("{doing}: no answer within {limit:?}")]
    Timeout {
        /// What was asked.
        doing: &'static str,
        /// How long we waited.
        limit: Duration,
    },
    /// The daemon refused, or the connection broke, or what it speaks is not gRPC.
    #[error("{doing}: {message}")]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// The status of gRPC; `Unknown` and `Internal` where the connection broke.
        code: Code,
        /// What the daemon or the connection says.
        message: String,
    },
    /// The answer is not the message that belongs to the question.
    #[error("{doing}: the answer cannot be understood")]
    Malformed {
        /// What was asked.
        doing: &'static str,
    },
    /// There is more than is kept.
    #[error("{doing}: more than {limit} {what}")]
    TooMuch {
        /// What was asked.
        doing: &'static str,
        /// How many are kept.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// The daemon closed its stream of events.
    #[error("event stream ended")]
    EventsEnded,
}

impl GrpcError {
    pub(super) fn refused(doing: &'static str, status: &Status) -> Self {
        // A status that wraps an error of the connection says "transport error" itself.
        let cause = Error::source(status).map(|source| reason::innermost(source).to_string());
        let message = match cause.as_deref().unwrap_or(status.message()) {
            "" => status.code().description(),
            message => message,
        };
        GrpcError::Refused { doing, code: status.code(), message: bounds::prefix(message, MESSAGE_LIMIT).to_owned() }
    }

    /// The status of gRPC, when that is what went wrong.
    pub fn code(&self) -> Option<Code> {
        match self {
            GrpcError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The error and its innermost cause, in one line of at most 400 characters.
    pub fn full(&self) -> String {
        reason::one_line(self)
    }
}
