//! `gadget_bytes`: sizes in SI units.

use std::io::Write;

use super::{push_number, unsigned};
use crate::batch::Decode;

/// `999 B`, `1.2 kB`, `15 MB`: one decimal below ten units.
pub struct Bytes;

const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

impl Decode for Bytes {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        let bytes = unsigned(raw);
        if bytes < 1000 {
            push_number(out, bytes);
            return out.extend_from_slice(b" B");
        }
        let mut unit = 1000.0;
        let mut names = UNITS.iter();
        let mut name = names.next().copied().unwrap_or_default();
        let bytes = bytes as f64;
        for next in names {
            if bytes < unit * 1000.0 {
                break;
            }
            unit *= 1000.0;
            name = next;
        }
        let tenths = (bytes / unit * 10.0 + 0.5).floor();
        // Writing to a vector does not fail.
        let _ = if tenths < 100.0 {
            write!(out, "{:.1} {name}", tenths / 10.0)
        } else {
            write!(out, "{:.0} {name}", (tenths / 10.0).round_ties_even())
        };
    }
}
