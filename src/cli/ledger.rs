//! The ledger as a table.

use std::fmt::Write as _;

use crate::telemetry::{DropReason, GadgetTotals};

/// One row per gadget and exporter: where every record went.
pub(super) fn table(totals: &[GadgetTotals]) -> String {
    let head = ["GADGET", "PRODUCED", "LOST", "FILTERED", "DROPPED", "EXPORTER", "DELIVERED", "DROPPED", "IN FLIGHT"];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for gadget in totals {
        rows.extend(gadget_rows(gadget));
    }
    let mut text = String::from("ledger (records)\n");
    let widths: Vec<usize> = (0..head.len()).map(|c| rows.iter().filter_map(|r| r.get(c)).map(String::len).max().unwrap_or(0)).collect();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Names to the left, numbers to the right. Writing to a String cannot fail.
            let _ = if column == 0 || column == 5 { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn gadget_rows(gadget: &GadgetTotals) -> Vec<Vec<String>> {
    let of_gadget = [
        gadget.name.to_string(),
        grouped(gadget.produced()),
        grouped(gadget.lost),
        grouped(gadget.filtered_total()),
        with_reasons(&gadget.dropped),
    ];
    let mut rows = Vec::new();
    for exporter in &gadget.exporters {
        let mut row = if rows.is_empty() { of_gadget.to_vec() } else { vec![String::new(); of_gadget.len()] };
        row.extend([
            exporter.exporter.to_string(),
            grouped(exporter.delivered),
            with_reasons(&exporter.dropped),
            grouped(exporter.in_flight()),
        ]);
        rows.push(row);
    }
    if rows.is_empty() {
        rows.push(of_gadget.to_vec());
    }
    rows
}

fn with_reasons(dropped: &[(DropReason, u64)]) -> String {
    let total: u64 = dropped.iter().map(|(_, n)| n).sum();
    let reasons: Vec<String> = dropped.iter().filter(|(_, n)| *n > 0).map(|(r, n)| format!("{} {}", r.as_str(), grouped(*n))).collect();
    if reasons.is_empty() { grouped(total) } else { format!("{} ({})", grouped(total), reasons.join(", ")) }
}

/// A number with its thousands apart: 1234567 is `1,234,567`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
