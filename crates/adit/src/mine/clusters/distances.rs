//! Distances between points, a block of rows at a time.
//!
//! Enters: points. Leaves: squared distances in units of one factor, which no ratio of distances depends on. Products
//! of matrices give most of them; where the points lie close together as seen from the origin, the difference of
//! squares would be rounding, and the distance is taken coordinate by coordinate.

use std::ops::Range;

use adit_nn::kernels::matmul::{View, product};
use rayon::prelude::*;

use crate::represent::points::Points;

/// Rows of a block.
pub(super) const BLOCK_ROWS: usize = 64;
/// A squared distance below this share of the squared lengths is taken coordinate by coordinate.
const CLOSE: f32 = 1e-3;

/// Where points are measured from, and in which units: so that no square overflows and few are large.
pub(super) struct Frame {
    /// `[width]`
    origin: Vec<f64>,
    unit: f64,
}

/// Points in a frame.
pub(super) struct Placed {
    /// `[n_points, width]`
    values: Vec<f32>,
    /// Squared lengths. `[n_points]`
    squares: Vec<f32>,
    width: usize,
}

impl Frame {
    /// The origin is the median of `middle`, column by column: an outlier does not move it. The unit is the largest
    /// value of `middle` and `all` as seen from there.
    pub(super) fn new(middle: Points, all: Points) -> Frame {
        let origin: Vec<f64> = (0..middle.width())
            .into_par_iter()
            .map(|column| {
                let mut values: Vec<f32> = (0..middle.len())
                    .map(|row| middle.values()[row * middle.width() + column])
                    .collect();
                let half = values.len() / 2;
                if values.is_empty() {
                    return 0.0;
                }
                f64::from(*values.select_nth_unstable_by(half, f32::total_cmp).1)
            })
            .collect();
        let largest = |points: Points| {
            let rows = points.values().par_chunks(points.width());
            rows.map(|row| {
                let from_origin = row.iter().zip(&origin);
                from_origin
                    .map(|(&x, origin)| (f64::from(x) - origin).abs())
                    .fold(0.0, f64::max)
            })
            .reduce(|| 0.0, f64::max)
        };
        let unit = largest(middle).max(largest(all));
        Frame {
            origin,
            unit: if unit > 0.0 { unit } else { 1.0 },
        }
    }

    pub(super) fn place(&self, points: Points) -> Placed {
        let width = points.width();
        let place = |(&x, origin): (&f32, &f64)| ((f64::from(x) - origin) / self.unit) as f32;
        let values: Vec<f32> = (points.values().par_chunks(width))
            .flat_map_iter(|row| row.iter().zip(&self.origin).map(place))
            .collect();
        let square = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() as f32;
        Placed {
            squares: values.par_chunks(width).map(square).collect(),
            values,
            width,
        }
    }
}

impl Placed {
    /// Points in a frame of their own.
    pub(super) fn of(points: Points) -> Placed {
        Frame::new(points, points).place(points)
    }

    pub(super) fn len(&self) -> usize {
        self.squares.len()
    }

    /// `[n_points, width]`
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..][..self.width]
    }

    /// The squared distance of a point to one of the same frame.
    pub(super) fn square(&self, at: usize, others: &Placed, other: usize) -> f64 {
        let pairs = self.row(at).iter().zip(others.row(other));
        pairs
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .sum()
    }

    /// Squared distances of some points to all `others` of the same frame. `out`: `[rows.len(), others.len()]`
    pub(super) fn squares(&self, rows: Range<usize>, others: &Placed, out: &mut Vec<f32>) {
        let (m, n, width) = (rows.len(), others.len(), self.width);
        out.clear();
        out.resize(m * n, 0.0);
        let mine = View::new(&self.values[rows.start * width..], width, 1);
        let theirs = View::new(&others.values, 1, width);
        product((m, n, width), out, n, mine, theirs, false);
        for (at, out) in rows.zip(out.chunks_mut(n.max(1))) {
            for (other, out) in out.iter_mut().enumerate() {
                let lengths = self.squares[at] + others.squares[other];
                let square = lengths - 2.0 * *out;
                *out = if square > CLOSE * lengths {
                    square
                } else {
                    self.square(at, others, other) as f32
                };
            }
        }
    }

    /// Runs `work` on the squared distances to `others`, block by block of fixed size, and joins what it gives in
    /// order.
    pub(super) fn by_blocks<T: Send>(
        &self,
        others: &Placed,
        work: impl Fn(Range<usize>, &mut [f32]) -> Vec<T> + Sync,
    ) -> Vec<T> {
        let blocks: Vec<Vec<T>> = (0..self.len().div_ceil(BLOCK_ROWS))
            .into_par_iter()
            .map_init(Vec::new, |memory, block| {
                let rows = block * BLOCK_ROWS..((block + 1) * BLOCK_ROWS).min(self.len());
                self.squares(rows.clone(), others, memory);
                work(rows, memory)
            })
            .collect();
        blocks.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use adit_nn::random::normal_at;

    use super::*;

    fn worst(values: &[f32], width: usize) -> f64 {
        let points = Points::new(values, width);
        let placed = Placed::of(points);
        let found = placed.by_blocks(&placed, |_, squares| squares.to_vec());
        let exact = |i: usize, j: usize| {
            let pairs = points.row(i).iter().zip(points.row(j));
            let square: f64 = pairs
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum();
            square.sqrt()
        };
        // The unit is found from the largest distance.
        let n = points.len();
        let all: Vec<f64> = (0..n * n).map(|at| exact(at / n, at % n)).collect();
        let at = (0..n * n)
            .max_by(|&a, &b| all[a].total_cmp(&all[b]))
            .unwrap_or(0);
        let unit = all[at] / f64::from(found[at]).sqrt();
        let error = |(exact, found): (&f64, &f32)| {
            if *exact == 0.0 {
                f64::from(*found)
            } else {
                (f64::from(*found).sqrt() * unit / exact - 1.0).abs()
            }
        };
        all.iter().zip(&found).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn distances_are_exact_to_a_thousandth_also_beside_an_outlier() {
        let mut values: Vec<f32> = (0..150 * 30)
            .map(|at| normal_at(1, at, 1.0) + 50.0)
            .collect();
        assert!(worst(&values, 30) < 1e-4, "{}", worst(&values, 30));
        values[7] = 1e9;
        assert!(worst(&values, 30) < 1e-4, "{}", worst(&values, 30));
        let huge: Vec<f32> = values.iter().map(|x| x * 1e18).collect();
        assert!(worst(&huge, 30) < 1e-4, "{}", worst(&huge, 30));
    }
}
