//! Which format a scraper wants: the `Accept` header.

/// A text format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4: everybody reads it.
    Text,
    /// OpenMetrics 1.0.0: Prometheus asks for it first since 2.5.
    OpenMetrics,
}

impl Format {
    /// The format that `accept` prefers; text when it says nothing usable, and whenever `open_metrics` is off.
    pub fn negotiate(accept: Option<&str>, open_metrics: bool) -> Format {
        let (Some(accept), true) = (accept, open_metrics) else { return Format::Text };
        let (mut open, mut text) = (0.0, 0.0);
        for item in accept.split(',') {
            let range = Range::parse(item);
            match range.media {
                "application/openmetrics-text" if matches!(range.version, None | Some("1.0.0")) => open = f64::max(open, range.quality),
                "text/plain" if matches!(range.version, None | Some("0.0.4")) => text = f64::max(text, range.quality),
                _ => {}
            }
        }
        // Named is meant: `*/*` alone comes from browsers and curl, whose users want to read.
        if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
    }

    /// The `Content-Type` of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    quality: f64,
}

impl<'a> Range<'a> {
    fn parse(item: &'a str) -> Self {
        let mut parts = item.split(';').map(str::trim);
        let mut range = Range { media: parts.next().unwrap_or_default(), version: None, quality: 1.0 };
        for part in parts {
            match part.split_once('=') {
                Some(("version", version)) => range.version = Some(version),
                Some(("q", quality)) => range.quality = quality.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        range
    }
}
