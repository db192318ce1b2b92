//! `gadget_timestamp`: boot-time nanoseconds as RFC 3339 with nine digits and the local zone's offset.

mod layout;

use std::cell::Cell;

use super::unsigned;
use crate::batch::Decode;
use crate::kernel::clock;
pub use layout::Custom;

/// `2024-05-01T10:11:12.123456789+02:00`; `Z` for UTC. The bytes are those of the boot-time clock.
pub struct Timestamp;

impl Decode for Timestamp {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        push_unix(clock::boot_to_unix(unsigned(raw)), out);
    }
}

/// Appends a time in nanoseconds since the Unix epoch, in the local zone.
pub fn push_unix(unix_ns: u64, out: &mut Vec<u8>) {
    let second = (unix_ns / 1_000_000_000) as i64;
    let rendered = Second::cached(second);
    out.extend_from_slice(&rendered.date);
    out.push(b'.');
    push_digits(out, unix_ns % 1_000_000_000, 9);
    out.extend_from_slice(rendered.zone.get(..rendered.zone_len).unwrap_or(b"Z"));
}

/// The parts of the text that stay the same for a second.
#[derive(Clone, Copy)]
struct Second {
    second: i64,
    date: [u8; 19],
    zone: [u8; 6],
    zone_len: usize,
}

thread_local! {
    // Records come nearly in order, so the last second is nearly always the right one.
    static LAST: Cell<Option<Second>> = const { Cell::new(None) };
}

impl Second {
    fn cached(second: i64) -> Second {
        let last = LAST.try_with(Cell::get).ok().flatten();
        match last {
            Some(last) if last.second == second => last,
            _ => {
                let fresh = Second::render(second, clock::zone_offset(second));
                let _ = LAST.try_with(|cell| cell.set(Some(fresh)));
                fresh
            }
        }
    }

    fn render(second: i64, offset: i64) -> Second {
        let local = second + offset;
        let (year, month, day) = civil(local.div_euclid(86_400));
        let time = local.rem_euclid(86_400) as u64;
        let mut text = Vec::with_capacity(25);
        push_digits(&mut text, year as u64, 4);
        for (separator, part) in [(b'-', month), (b'-', day), (b'T', time / 3600), (b':', time / 60 % 60), (b':', time % 60)] {
            text.push(separator);
            push_digits(&mut text, part, 2);
        }
        let minutes = offset.unsigned_abs() / 60;
        let mut zone = vec![if offset < 0 { b'-' } else { b'+' }];
        push_digits(&mut zone, minutes / 60, 2);
        zone.push(b':');
        push_digits(&mut zone, minutes % 60, 2);
        let mut result = Second { second, date: [b'0'; 19], zone: [b'Z'; 6], zone_len: 1 };
        result.date.iter_mut().zip(text).for_each(|(to, from)| *to = from);
        if minutes > 0 {
            result.zone.iter_mut().zip(zone).for_each(|(to, from)| *to = from);
            result.zone_len = 6;
        }
        result
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar.
fn civil(days: i64) -> (i64, u64, u64) {
    // Counted in eras of 400 years that begin on the first of March, so that leap days come last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u64, day as u64)
}

/// The last `count` decimal digits, at most nine, with leading zeros.
fn push_digits(out: &mut Vec<u8>, number: u64, count: usize) {
    let mut digits = [b'0'; 9];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(digits.get(9 - count.min(9)..).unwrap_or(&digits));
}

#[cfg(test)]
mod tests;
