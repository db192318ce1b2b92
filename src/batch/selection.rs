//! A bit per row: still wanted or not.

/// Which rows of a batch are selected.
#[derive(Debug, Default, Clone)]
pub struct Selection {
    words: Vec<u64>,
    rows: usize,
    selected: usize,
}

impl Selection {
    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.words.clear();
        self.rows = 0;
        self.selected = 0;
    }

    /// Adds one selected row.
    pub fn push(&mut self) {
        let bit = self.rows % 64;
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= 1 << bit;
        }
        self.rows += 1;
        self.selected += 1;
    }

    /// Takes `row` out.
    pub fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            let bit = 1 << (row % 64);
            if *word & bit != 0 {
                *word &= !bit;
                self.selected -= 1;
            }
        }
    }

    /// Whether `row` is selected.
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
    }

    /// Number of selected rows.
    pub fn count(&self) -> usize {
        self.selected
    }

    /// The selected rows in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| Bits(word).map(move |bit| index * 64 + bit))
    }

    /// Keeps the selected rows for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (index, word) in self.words.iter_mut().enumerate() {
            for bit in Bits(*word) {
                if !keep(index * 64 + bit) {
                    *word &= !(1 << bit);
                    self.selected -= 1;
                }
            }
        }
    }
}

struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}
