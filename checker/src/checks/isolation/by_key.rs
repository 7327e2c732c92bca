//! What belongs to a key, side by side: a counting sort in two arrays.

/// Rows sorted by key.
pub(crate) struct ByKey<T> {
    rows: Vec<T>,
    /// By key: where its rows begin, and where those end that are there.
    spans: Vec<(u32, u32)>,
}

impl<T: Copy> ByKey<T> {
    /// Sorts rows by key, each key's in the order given.
    pub(crate) fn new(keys: usize, rows: &[(u32, T)]) -> Self {
        let Some((_, any)) = rows.first() else { return Self { rows: Vec::new(), spans: vec![(0, 0); keys] } };
        let mut sorted = Self::with_room(keys, rows.iter().map(|(key, _)| *key), *any);
        for (key, row) in rows {
            sorted.push(*key, *row);
        }
        sorted
    }

    /// No rows yet, with room for as many of each key as it occurs in `expected`; `any` row fills it.
    pub(crate) fn with_room(keys: usize, expected: impl Iterator<Item = u32>, any: T) -> Self {
        let mut spans = vec![(0u32, 0u32); keys];
        expected.for_each(|key| spans[key as usize].1 += 1);
        let mut at = 0;
        for (begin, end) in &mut spans {
            let count = std::mem::replace(end, at);
            *begin = at;
            at += count;
        }
        Self { rows: vec![any; at as usize], spans }
    }

    /// Adds a row of a key for which there is room; returns its place among all rows.
    pub(crate) fn push(&mut self, key: u32, row: T) -> u32 {
        let end = &mut self.spans[key as usize].1;
        self.rows[*end as usize] = row;
        *end += 1;
        *end - 1
    }

    /// A row by its place.
    pub(crate) fn at_mut(&mut self, place: u32) -> &mut T {
        &mut self.rows[place as usize]
    }

    /// The rows of a key, to be changed in place.
    pub(crate) fn of_mut(&mut self, key: u32) -> &mut [T] {
        let (begin, end) = self.spans[key as usize];
        &mut self.rows[begin as usize..end as usize]
    }

    /// The rows of a key.
    pub(crate) fn of(&self, key: u32) -> &[T] {
        let (begin, end) = self.spans[key as usize];
        &self.rows[begin as usize..end as usize]
    }
}
