//! Rendered JSON of dictionary entries: an entry never changes its meaning, so each is rendered once.

use std::collections::HashMap;
use std::ops::Range;

/// Beyond this many bytes the cache starts anew.
const LIMIT: usize = 1 << 20;

/// The rendered entries of one group of attributes.
#[derive(Default)]
pub(super) struct Fragments {
    arena: Vec<u8>,
    places: HashMap<u32, Range<usize>>,
    last: Option<(u32, Range<usize>)>,
}

impl Fragments {
    /// The fragment of `entry`, rendered by `render` if it is new.
    pub fn get(&mut self, entry: u32, render: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let place = match &self.last {
            Some((last, place)) if *last == entry => place.clone(),
            _ => self.find(entry, render),
        };
        self.arena.get(place).unwrap_or(&[])
    }

    fn find(&mut self, entry: u32, render: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let place = match self.places.get(&entry) {
            Some(place) => place.clone(),
            None => self.add(entry, render),
        };
        self.last = Some((entry, place.clone()));
        place
    }

    fn add(&mut self, entry: u32, render: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        if self.arena.len() > LIMIT {
            self.arena.clear();
            self.places.clear();
        }
        let start = self.arena.len();
        render(&mut self.arena);
        let place = start..self.arena.len();
        self.places.insert(entry, place.clone());
        place
    }

    /// Bytes held.
    #[cfg(test)]
    pub fn size(&self) -> usize {
        self.arena.capacity()
    }
}
