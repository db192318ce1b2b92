//! What comes in the body of an answer: so much and no more, and not ever so slowly.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Response;

use super::fault::{self, Fault};

/// Bytes a second that an attempt must bring at least, over as long as a stall may last.
const SLOWEST: u64 = 1 << 10;

/// The whole body, if it has no more than `limit` bytes.
pub(super) async fn whole(mut response: Response, limit: u64, stall: Duration) -> Result<Vec<u8>, Fault> {
    let too_large = || Fault::Wrong(format!("it has more than the {limit} bytes allowed"));
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let (mut bytes, mut pace) = (Vec::new(), Pace::new(stall));
    while let Some(part) = pace.next(&mut response).await? {
        if bytes.len() as u64 + part.len() as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// Watches that bytes come, and that they don't drip.
pub(super) struct Pace {
    stall: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub fn new(stall: Duration) -> Self {
        Pace { stall, since: Instant::now(), bytes: 0 }
    }

    /// The next bytes; none at the end.
    pub async fn next(&mut self, response: &mut Response) -> Result<Option<Bytes>, Fault> {
        let part = tokio::time::timeout(self.stall, response.chunk()).await.map_err(|_| Fault::stalled(self.stall))?;
        let part = part.map_err(|error| Fault::passing(format!("the connection broke: {}", fault::causes(&error))))?;
        self.bytes += part.as_ref().map_or(0, |part| part.len() as u64);
        if part.is_some() && self.since.elapsed() >= self.stall {
            let rate = self.bytes as f64 / self.since.elapsed().as_secs_f64();
            if rate < SLOWEST as f64 {
                return Err(Fault::passing(format!("it is too slow: {rate:.0} bytes a second")));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(part)
    }
}
