//! Times in a layout of the user's: an example of how the reference time (Mon Jan 2 15:04:05 MST 2006) is to be written, as Go has it.

use std::cell::Cell;

use super::{civil, push_digits};
use crate::batch::{Decode, unsigned};
use crate::kernel::clock::{self, ZONE_NAME};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// `gadget_timestamp` with `formatters.timestamp.format`.
pub struct Custom(Box<[Item]>);

/// How a number with few digits is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pad {
    None,
    Zero,
    Blank,
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    /// `Z` stands for UTC itself.
    z: bool,
    colon: bool,
    /// 1: hours, 2: minutes too, 3: seconds too.
    parts: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(Box<str>),
    Year,
    ShortYear,
    MonthName,
    ShortMonthName,
    Month(Pad),
    DayName,
    ShortDayName,
    Day(Pad),
    YearDay(Pad),
    Hour,
    Hour12(Pad),
    Minute(Pad),
    Second(Pad),
    /// Digits behind a separator; with `trim` without zeros at the end, and nothing at all when only zeros are left.
    Fraction {
        separator: u8,
        digits: usize,
        trim: bool,
    },
    /// `PM`; in small letters without it.
    Half {
        capital: bool,
    },
    ZoneName,
    Offset(Offset),
}

/// What stands for what, longest first among those that begin alike.
static WORDS: [(&str, Item); 33] = [
    ("January", Item::MonthName),
    ("Monday", Item::DayName),
    ("MST", Item::ZoneName),
    ("002", Item::YearDay(Pad::Zero)),
    ("01", Item::Month(Pad::Zero)),
    ("02", Item::Day(Pad::Zero)),
    ("03", Item::Hour12(Pad::Zero)),
    ("04", Item::Minute(Pad::Zero)),
    ("05", Item::Second(Pad::Zero)),
    ("06", Item::ShortYear),
    ("15", Item::Hour),
    ("1", Item::Month(Pad::None)),
    ("2006", Item::Year),
    ("2", Item::Day(Pad::None)),
    ("__2", Item::YearDay(Pad::Blank)),
    ("_2", Item::Day(Pad::Blank)),
    ("3", Item::Hour12(Pad::None)),
    ("4", Item::Minute(Pad::None)),
    ("5", Item::Second(Pad::None)),
    ("PM", Item::Half { capital: true }),
    ("pm", Item::Half { capital: false }),
    ("-070000", offset(false, false, 3)),
    ("-07:00:00", offset(false, true, 3)),
    ("-0700", offset(false, false, 2)),
    ("-07:00", offset(false, true, 2)),
    ("-07", offset(false, false, 1)),
    ("Z070000", offset(true, false, 3)),
    ("Z07:00:00", offset(true, true, 3)),
    ("Z0700", offset(true, false, 2)),
    ("Z07:00", offset(true, true, 2)),
    ("Z07", offset(true, false, 1)),
    // Words of three letters are names only when no small letter follows: `Month` and `Janus` are text.
    ("Jan", Item::ShortMonthName),
    ("Mon", Item::ShortDayName),
];

const fn offset(z: bool, colon: bool, parts: u8) -> Item {
    Item::Offset(Offset { z, colon, parts })
}

impl Custom {
    /// Times in this layout; whatever in it is no part of the reference time stays as it is.
    pub fn new(layout: &str) -> Self {
        let mut items = Vec::new();
        let mut text = String::new();
        let mut rest = layout;
        while let Some(first) = rest.chars().next() {
            // `_2006` is a year behind an underscore, not a day.
            let found = if rest.starts_with("_2006") { None } else { item(rest) };
            let length = found.as_ref().map_or(first.len_utf8(), |(_, length)| *length);
            match found {
                Some((item, _)) => {
                    flush(&mut text, &mut items);
                    items.push(item);
                }
                None => text.push(first),
            }
            rest = rest.get(length..).unwrap_or("");
        }
        flush(&mut text, &mut items);
        Custom(items.into())
    }

    fn push(&self, unix_ns: u64, out: &mut Vec<u8>) {
        let moment = Moment::cached((unix_ns / 1_000_000_000) as i64);
        for item in &self.0 {
            moment.push(item, unix_ns % 1_000_000_000, out);
        }
    }
}

impl Decode for Custom {
    fn decode(&self, raw: &[u8], out: &mut Vec<u8>) {
        self.push(clock::boot_to_unix(unsigned(raw)), out);
    }
}

fn flush(text: &mut String, items: &mut Vec<Item>) {
    if !text.is_empty() {
        items.push(Item::Text(std::mem::take(text).into()));
    }
}

/// The part of the reference time that `rest` begins with, and its length.
fn item(rest: &str) -> Option<(Item, usize)> {
    if let Some(found) = fraction(rest.as_bytes()) {
        return Some(found);
    }
    let (word, item) = WORDS.iter().find(|(word, _)| rest.starts_with(word))?;
    let is_part_of_a_word = rest.as_bytes().get(word.len()).is_some_and(u8::is_ascii_lowercase);
    let is_name = matches!(item, Item::ShortMonthName | Item::ShortDayName);
    (!is_name || !is_part_of_a_word).then(|| (item.clone(), word.len()))
}

/// `.000` or `,999`, not followed by another digit.
fn fraction(rest: &[u8]) -> Option<(Item, usize)> {
    let (&separator @ (b'.' | b','), digits) = rest.split_first()? else { return None };
    let &digit @ (b'0' | b'9') = digits.first()? else { return None };
    let count = digits.iter().take_while(|b| **b == digit).count();
    let ends = digits.get(count).is_none_or(|b| !b.is_ascii_digit());
    ends.then_some((Item::Fraction { separator, digits: count.min(9), trim: digit == b'9' }, count + 1))
}

/// A second in the local zone.
#[derive(Clone, Copy)]
struct Moment {
    second: i64,
    year: i64,
    month: u64,
    day: u64,
    week_day: u64,
    year_day: u64,
    /// Since midnight, in seconds.
    time: u64,
    offset: i64,
    zone: [u8; ZONE_NAME],
}

thread_local! {
    // As for the default layout: records come nearly in order.
    static LAST: Cell<Option<Moment>> = const { Cell::new(None) };
}

impl Moment {
    fn cached(second: i64) -> Moment {
        match LAST.try_with(Cell::get).ok().flatten() {
            Some(last) if last.second == second => last,
            _ => {
                let (offset, zone) = clock::zone(second);
                let fresh = Moment::new(second, offset, zone);
                let _ = LAST.try_with(|cell| cell.set(Some(fresh)));
                fresh
            }
        }
    }

    fn new(second: i64, offset: i64, zone: [u8; ZONE_NAME]) -> Moment {
        let local = second + offset;
        let days = local.div_euclid(86_400);
        let (year, month, day) = civil(days);
        let year_day = (1..=366).find(|n| civil(days - n).0 != year).unwrap_or(1) as u64;
        // 1970-01-01 was a Thursday.
        let week_day = (days + 4).rem_euclid(7) as u64;
        Moment { second, year, month, day, week_day, year_day, time: local.rem_euclid(86_400) as u64, offset, zone }
    }

    fn push(&self, item: &Item, nanoseconds: u64, out: &mut Vec<u8>) {
        let hour = self.time / 3600;
        let name = |names: &[&'static str], at: u64| names.get(at as usize).copied().unwrap_or_default();
        let short = |name: &'static str| name.get(..3).unwrap_or(name);
        match item {
            Item::Text(text) => out.extend_from_slice(text.as_bytes()),
            Item::Year => push_digits(out, self.year.unsigned_abs(), 4),
            Item::ShortYear => push_digits(out, self.year.unsigned_abs() % 100, 2),
            Item::MonthName => out.extend_from_slice(name(&MONTHS, self.month - 1).as_bytes()),
            Item::ShortMonthName => out.extend_from_slice(short(name(&MONTHS, self.month - 1)).as_bytes()),
            Item::DayName => out.extend_from_slice(name(&DAYS, self.week_day).as_bytes()),
            Item::ShortDayName => out.extend_from_slice(short(name(&DAYS, self.week_day)).as_bytes()),
            Item::Month(pad) => push_padded(out, self.month, 2, *pad),
            Item::Day(pad) => push_padded(out, self.day, 2, *pad),
            Item::YearDay(pad) => push_padded(out, self.year_day, 3, *pad),
            Item::Hour => push_digits(out, hour, 2),
            Item::Hour12(pad) => push_padded(out, (hour + 11) % 12 + 1, 2, *pad),
            Item::Minute(pad) => push_padded(out, self.time / 60 % 60, 2, *pad),
            Item::Second(pad) => push_padded(out, self.time % 60, 2, *pad),
            Item::Fraction { separator, digits, trim } => push_fraction(out, nanoseconds, *separator, *digits, *trim),
            Item::Half { capital } => out.extend_from_slice(match (hour >= 12, capital) {
                (true, true) => b"PM",
                (false, true) => b"AM",
                (true, false) => b"pm",
                (false, false) => b"am",
            }),
            Item::ZoneName => self.push_zone(out),
            Item::Offset(form) => push_offset(out, self.offset, *form),
        }
    }

    fn push_zone(&self, out: &mut Vec<u8>) {
        let name = self.zone.iter().take_while(|b| **b != 0);
        let before = out.len();
        out.extend(name);
        if out.len() == before {
            let parts = if self.offset % 3600 == 0 { 1 } else { 2 };
            push_offset(out, self.offset, Offset { z: false, colon: false, parts });
        }
    }
}

fn push_padded(out: &mut Vec<u8>, number: u64, width: usize, pad: Pad) {
    let needed = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let digits = if pad == Pad::Zero { width.max(needed) } else { needed };
    if pad == Pad::Blank {
        out.extend(std::iter::repeat_n(b' ', width.saturating_sub(needed)));
    }
    push_digits(out, number, digits);
}

fn push_fraction(out: &mut Vec<u8>, nanoseconds: u64, separator: u8, digits: usize, trim: bool) {
    let start = out.len();
    out.push(separator);
    push_digits(out, nanoseconds, 9);
    out.truncate(start + 1 + digits);
    while trim && out.len() > start && matches!(out.last(), Some(b'0' | b'.' | b',')) {
        let was_digit = out.pop() == Some(b'0');
        if !was_digit {
            break;
        }
    }
}

fn push_offset(out: &mut Vec<u8>, offset: i64, form: Offset) {
    if form.z && offset == 0 {
        return out.push(b'Z');
    }
    out.push(if offset < 0 { b'-' } else { b'+' });
    let seconds = offset.unsigned_abs();
    for (index, part) in [seconds / 3600, seconds / 60 % 60, seconds % 60].into_iter().take(usize::from(form.parts)).enumerate() {
        if index > 0 && form.colon {
            out.push(b':');
        }
        push_digits(out, part, 2);
    }
}

#[cfg(test)]
mod tests;
