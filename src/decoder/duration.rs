//! `gadget_duration`: spans of nanoseconds.

use std::io::Write;

use super::unsigned;
use crate::batch::Decode;

/// `123ns`, `12.34us` with the micro sign, `12.34ms`, from one second on as Go writes durations: `1.5s`, `1m2.003s`, `1h0m0s`.
pub struct Duration;

const SECOND: u64 = 1_000_000_000;

impl Decode for Duration {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let ns = unsigned(raw);
        // Writing to a vector does not fail.
        let _ = match ns {
            0..1_000 => write!(out, "{ns}ns"),
            1_000..1_000_000 => write!(out, "{:.2}\u{b5}s", ns as f64 / 1e3),
            1_000_000..SECOND => write!(out, "{:.2}ms", ns as f64 / 1e6),
            _ => long(ns, out),
        };
    }
}

fn long(ns: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    let (seconds, fraction) = (ns / SECOND, ns % SECOND);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        write!(out, "{hours}h")?;
    }
    if hours > 0 || minutes > 0 {
        write!(out, "{minutes}m")?;
    }
    write!(out, "{}", seconds % 60)?;
    if fraction > 0 {
        write!(out, ".{fraction:09}")?;
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.write_all(b"s")
}
