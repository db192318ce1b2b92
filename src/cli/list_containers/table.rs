//! Columns as wide as their longest cell. What is printed later keeps the widths that were printed before.

use std::io::{self, IsTerminal, Write};

use super::columns::{self, Column};
use crate::cli::output;
use crate::container::Container;

/// Who reads it: a program, unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Hashes by their first digits.
    pub short: bool,
    /// The header stands out.
    pub bold: bool,
}

impl Look {
    /// What suits standard output.
    pub fn of_stdout() -> Self {
        Look { short: io::stdout().is_terminal(), bold: output::colours() }
    }
}

/// A table that grows.
pub(super) struct Table {
    look: Look,
    before: &'static [&'static str],
    columns: Vec<&'static Column>,
    widths: Option<Vec<usize>>,
}

impl Table {
    /// A table of the columns at these positions, with columns of the caller's in front.
    pub fn new(look: Look, before: &'static [&'static str], positions: &[usize]) -> Self {
        Table { look, before, columns: columns::at(positions), widths: None }
    }

    /// Writes rows, at first the header. Each has the caller's cells and the container.
    pub fn write<'c>(&mut self, rows: impl Iterator<Item = (Vec<String>, &'c Container)>, out: &mut dyn Write) -> io::Result<()> {
        let short = self.look.short;
        let cells = |(mut cells, container): (Vec<String>, &Container)| {
            cells.extend(self.columns.iter().map(|c| printable((c.value)(container, short))));
            cells
        };
        let lines: Vec<Vec<String>> = rows.map(cells).collect();
        let header = self.widths.is_none().then(|| self.header());
        let mut widths = self.widths.take().unwrap_or_else(|| vec![0; self.before.len() + self.columns.len()]);
        for line in header.iter().chain(&lines) {
            widths.iter_mut().zip(line).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
        }
        if let Some(header) = header {
            let (on, off) = if self.look.bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
            writeln!(out, "{on}{}{off}", padded(&header, &widths))?;
        }
        let written = lines.iter().try_for_each(|line| writeln!(out, "{}", padded(line, &widths)));
        self.widths = Some(widths);
        written
    }

    fn header(&self) -> Vec<String> {
        let before = self.before.iter().map(|name| (*name).to_owned());
        before.chain(self.columns.iter().map(|c| c.name.to_uppercase())).collect()
    }
}

fn padded(line: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    cells.join(" ").trim_end().to_owned()
}

/// Control characters would let a container's name write to the terminal.
fn printable(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, "?") } else { text }
}
