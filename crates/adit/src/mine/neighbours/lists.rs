//! The nearest points found so far.

/// The `k` nearest of each of some rows, by squared distance, then by id.
#[derive(Clone, Default)]
pub(in crate::mine) struct Lists {
    k: usize,
    /// Squared distances, ascending; infinite where none is known yet. `[n, k]`
    keys: Vec<f64>,
    /// `[n, k]`
    ids: Vec<u32>,
}

impl Lists {
    /// Empty lists for `n` rows, `k` at least 1.
    pub(super) fn new(n: usize, k: usize) -> Lists {
        Lists {
            k,
            keys: vec![f64::INFINITY; n * k],
            ids: vec![u32::MAX; n * k],
        }
    }

    /// Neighbours a row.
    pub(in crate::mine) fn k(&self) -> usize {
        self.k
    }

    /// How many rows have a list.
    pub(super) fn n_rows(&self) -> usize {
        self.keys.len() / self.k.max(1)
    }

    /// Squared distances and ids of what one row has. `[k]` each
    pub(in crate::mine) fn of(&self, row: usize) -> (&[f64], &[u32]) {
        let part = row * self.k..(row + 1) * self.k;
        (&self.keys[part.clone()], &self.ids[part])
    }

    /// The largest squared distance that a row still takes.
    pub(super) fn worst(&self, row: usize) -> f64 {
        self.keys[(row + 1) * self.k - 1]
    }

    /// The largest squared distance that any of some rows still takes.
    pub(super) fn reach(&self, rows: std::ops::Range<usize>) -> f64 {
        rows.map(|row| self.worst(row)).fold(0.0, f64::max)
    }

    /// How many neighbours a row still lacks.
    pub(super) fn missing(&self, row: usize) -> usize {
        let keys = self.of(row).0;
        keys.iter().rev().take_while(|k| k.is_infinite()).count()
    }

    /// Takes a neighbour unless it is too far off or known; true where it was taken.
    pub(super) fn offer(&mut self, row: usize, key: f64, id: u32) -> bool {
        let part = row * self.k..(row + 1) * self.k;
        let (keys, ids) = (&mut self.keys[part.clone()], &mut self.ids[part]);
        let mut at = self.k;
        while at > 0 && (key, id) < (keys[at - 1], ids[at - 1]) {
            at -= 1;
        }
        if at == self.k || (at > 0 && ids[at - 1] == id && keys[at - 1] == key) {
            return false;
        }
        keys.copy_within(at..self.k - 1, at + 1);
        ids.copy_within(at..self.k - 1, at + 1);
        (keys[at], ids[at]) = (key, id);
        true
    }

    /// Copies one row of other lists of the same `k` here.
    pub(super) fn put(&mut self, row: usize, from: &Lists, at: usize) {
        let (keys, ids) = from.of(at);
        let part = row * self.k..(row + 1) * self.k;
        self.keys[part.clone()].copy_from_slice(keys);
        self.ids[part].copy_from_slice(ids);
    }

    /// All squared distances and ids. `[n, k]` each
    pub(super) fn into_parts(self) -> (Vec<f64>, Vec<u32>) {
        (self.keys, self.ids)
    }
}
