//! Where the points lie and how far they spread.

use rayon::prelude::*;

use crate::mine::MineError;
use crate::represent::points::Points;

/// Most pieces that the rows are cut into.
const PIECES: usize = 64;
/// Fewest rows of a piece.
const LEAST_ROWS: usize = 1024;

/// What is known of the points before any is compared.
pub struct Spread {
    /// The mean of each column. `[width]`
    pub mean: Vec<f64>,
    /// The mean of the variances of the columns.
    pub mean_variance: f64,
    /// The largest absolute value.
    pub largest: f64,
}

impl Spread {
    /// # Errors
    /// `FeatureNotFinite`.
    pub fn of(points: Points) -> Result<Spread, MineError> {
        let (n, width) = (points.len(), points.width());
        let size = n.div_ceil(PIECES).max(LEAST_ROWS);
        // Around the first row, so that a mean far from 0 costs no digits.
        let pivot = points.row(0);
        let pieces: Vec<Sums> = (points.values().par_chunks(size * width))
            .map(|rows| Sums::of(rows, pivot))
            .collect();
        let mut all = Sums::new(width);
        for piece in &pieces {
            all.add(piece);
        }
        if all.sums.iter().any(|sum| !sum.is_finite()) {
            return Err(not_finite(points));
        }
        let n = n as f64;
        let means = all.sums.iter().map(|sum| sum / n);
        let variances = (all.squares.iter().zip(means.clone()))
            .map(|(square, mean)| (square / n - mean * mean).max(0.0));
        Ok(Spread {
            mean_variance: variances.sum::<f64>() / width as f64,
            mean: (means.zip(pivot))
                .map(|(mean, &p)| mean + f64::from(p))
                .collect(),
            largest: f64::from(all.largest),
        })
    }
}

/// Sums over rows, around a pivot.
struct Sums {
    sums: Vec<f64>,
    squares: Vec<f64>,
    largest: f32,
}

impl Sums {
    fn new(width: usize) -> Sums {
        Sums {
            sums: vec![0.0; width],
            squares: vec![0.0; width],
            largest: 0.0,
        }
    }

    fn of(rows: &[f32], pivot: &[f32]) -> Sums {
        let mut of = Sums::new(pivot.len());
        for row in rows.chunks_exact(pivot.len()) {
            let sums = of.sums.iter_mut().zip(&mut of.squares);
            for ((sum, square), (&x, &p)) in sums.zip(row.iter().zip(pivot)) {
                let apart = f64::from(x) - f64::from(p);
                *sum += apart;
                *square += apart * apart;
            }
            let larger = |a: f32, x: &f32| if x.abs() > a { x.abs() } else { a };
            of.largest = row.iter().fold(of.largest, larger);
        }
        of
    }

    fn add(&mut self, other: &Sums) {
        let sums = self.sums.iter_mut().zip(&other.sums);
        let squares = self.squares.iter_mut().zip(&other.squares);
        sums.chain(squares).for_each(|(sum, other)| *sum += other);
        self.largest = self.largest.max(other.largest);
    }
}

/// The error that names the first value that is not finite.
pub fn not_finite(points: Points) -> MineError {
    let at = points.values().iter().position(|x| !x.is_finite());
    let at = at.unwrap_or_default();
    MineError::FeatureNotFinite {
        row: at / points.width(),
        column: at % points.width(),
    }
}
