//! What belongs to a key, side by side: a counting sort in two arrays.

/// Rows sorted by key.
pub struct ByKey<T> {
    rows: Vec<T>,
    offsets: Vec<u32>,
}

impl<T: Copy> ByKey<T> {
    /// Sorts rows by key, each key's in the order given.
    pub fn new(keys: usize, rows: &[(u32, T)]) -> Self {
        let mut offsets = vec![0u32; keys + 1];
        rows.iter().for_each(|(key, _)| offsets[*key as usize + 1] += 1);
        (0..keys).for_each(|key| offsets[key + 1] += offsets[key]);
        let mut next = offsets.clone();
        let mut sorted: Vec<T> = rows.iter().map(|(_, row)| *row).collect();
        for (key, row) in rows {
            let slot = &mut next[*key as usize];
            sorted[*slot as usize] = *row;
            *slot += 1;
        }
        Self { rows: sorted, offsets }
    }

    /// The rows of a key, to be changed in place.
    pub fn of_mut(&mut self, key: u32) -> &mut [T] {
        &mut self.rows[self.offsets[key as usize] as usize..self.offsets[key as usize + 1] as usize]
    }

    /// The rows of a key.
    pub fn of(&self, key: u32) -> &[T] {
        &self.rows[self.offsets[key as usize] as usize..self.offsets[key as usize + 1] as usize]
    }
}
