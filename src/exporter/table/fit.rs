//! How wide columns are so that a line takes all of the terminal and no more.

/// What widths a column may have, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The width it would have by itself.
    pub natural: usize,
    /// At least this.
    pub least: usize,
    /// At most this.
    pub most: usize,
}

/// Widths in proportion to the natural ones that add up, with a blank between two columns, to `room`, as far as the bounds allow.
pub(super) fn widths(columns: &[Bounds], room: usize) -> Vec<usize> {
    let room = room.saturating_sub(columns.len().saturating_sub(1));
    let mut settled: Vec<Option<usize>> = vec![None; columns.len()];
    loop {
        let open = || columns.iter().zip(&settled).filter(|(_, width)| width.is_none()).map(|(column, _)| *column);
        let left = room.saturating_sub(settled.iter().flatten().sum());
        let natural: usize = open().map(|c| c.natural.max(1)).sum();
        let share = |c: &Bounds| (c.natural.max(1) * left).checked_div(natural).unwrap_or(0);
        // What the bounded ones take too much or leave over goes to the others: the larger of the two is settled first.
        let over: usize = open().map(|c| c.least.saturating_sub(share(&c))).sum();
        let under: usize = open().map(|c| share(&c).saturating_sub(c.most)).sum();
        if over == 0 && under == 0 {
            let shares: Vec<usize> = columns.iter().zip(&settled).map(|(c, width)| width.unwrap_or_else(|| share(c))).collect();
            return spread(columns, shares, room);
        }
        for (column, width) in columns.iter().zip(&mut settled).filter(|(_, width)| width.is_none()) {
            let share = share(column);
            if over >= under && share < column.least {
                *width = Some(column.least);
            } else if under > over && share > column.most {
                *width = Some(column.most);
            }
        }
    }
}

/// Gives what rounding left over to the columns from the left.
fn spread(columns: &[Bounds], mut widths: Vec<usize>, room: usize) -> Vec<usize> {
    let mut left = room.saturating_sub(widths.iter().sum());
    for (width, column) in widths.iter_mut().zip(columns) {
        if left > 0 && *width < column.most {
            *width += 1;
            left -= 1;
        }
    }
    widths
}
