//! Rows that differ: duplicates are clustered by their first.

use adit_nn::random::mix;
use rayon::prelude::*;

use crate::represent::points::Points;

/// The first of all equal rows, and their copies.
pub(super) struct Distinct {
    /// Rows, ascending. `[n_distinct]`
    pub(super) rows: Vec<u32>,
    /// Times that each is there. `[n_distinct]`
    pub(super) counts: Vec<u32>,
    /// Which of the distinct rows each row equals. `[n_rows]`
    pub(super) of: Vec<u32>,
}

impl Distinct {
    pub(super) fn new(points: Points) -> Distinct {
        let n = points.len();
        // -0 + 0 is 0, so that equal rows have equal bits.
        let bits = |v: &f32| u64::from((v + 0.0).to_bits());
        let hash = |row: &[f32]| row.iter().fold(0, |hash, v| mix(hash, bits(v)));
        let mut hashes: Vec<(u64, u32)> = (points.values().par_chunks(points.width()))
            .enumerate()
            .map(|(row, values)| (hash(values), row as u32))
            .collect();
        hashes.par_sort_unstable();
        let mut firsts: Vec<u32> = (0..n as u32).collect();
        for run in hashes.chunk_by(|a, b| a.0 == b.0) {
            for (at, &(_, row)) in run.iter().enumerate() {
                let equals = |&&(_, other): &&(u64, u32)| {
                    firsts[other as usize] == other
                        && points.row(other as usize) == points.row(row as usize)
                };
                if let Some(&(_, first)) = run[..at].iter().find(equals) {
                    firsts[row as usize] = first;
                }
            }
        }
        let (mut rows, mut counts, mut of) = (Vec::new(), Vec::new(), vec![0u32; n]);
        for row in 0..n {
            let first = firsts[row] as usize;
            if first == row {
                of[row] = rows.len() as u32;
                rows.push(row as u32);
                counts.push(0);
            } else {
                of[row] = of[first];
            }
            counts[of[row] as usize] += 1;
        }
        Distinct { rows, counts, of }
    }
}
