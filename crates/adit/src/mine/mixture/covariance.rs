//! Covariances from sums, and the inverse of their root.

use nalgebra::{Cholesky, DMatrix};
use rayon::prelude::*;

use super::expectation::Moments;
use super::{Covariance, MixtureModel};
use crate::represent::points::Points;

/// Rows that are summed together.
const BLOCK: usize = 256;
/// Most pieces that the rows are cut into.
const PIECES: usize = 16;

/// Where all points lie, and how they scatter around it.
pub struct Scatter {
    /// `[width]`
    pub mean: Vec<f64>,
    n: f64,
    /// The sum of outer products around the mean; empty unless the covariance is tied. `[width, width]`
    outer: DMatrix<f64>,
}

impl Scatter {
    pub fn of(points: Points, covariance: Covariance) -> Scatter {
        let (n, width) = (points.len(), points.width());
        let size = n.div_ceil(PIECES).next_multiple_of(BLOCK);
        let pivot = points.row(0);
        let pieces = points.values().par_chunks(size * width);
        let sums: Vec<Vec<f64>> = pieces
            .map(|rows| {
                let mut sums = vec![0.0; width];
                for row in rows.chunks_exact(width) {
                    let values = sums.iter_mut().zip(row.iter().zip(pivot));
                    values.for_each(|(sum, (&x, &p))| *sum += f64::from(x) - f64::from(p));
                }
                sums
            })
            .collect();
        let mean: Vec<f64> = (0..width)
            .map(|at| sums.iter().map(|sums| sums[at]).sum::<f64>() / n as f64 + f64::from(pivot[at]))
            .collect();
        let outer = match covariance {
            Covariance::Tied => outer(points, &mean, size),
            _ => DMatrix::zeros(0, 0),
        };
        Scatter {
            mean,
            n: n as f64,
            outer,
        }
    }
}

fn outer(points: Points, mean: &[f64], size: usize) -> DMatrix<f64> {
    let width = mean.len();
    let pieces = points.values().par_chunks(size * width);
    let parts: Vec<DMatrix<f64>> = pieces
        .map(|rows| {
            let mut sum = DMatrix::zeros(width, width);
            for rows in rows.chunks(BLOCK * width) {
                let values = rows.iter().zip(mean.iter().cycle());
                let values = values.map(|(&x, mean)| f64::from(x) - mean);
                let apart = DMatrix::from_iterator(width, rows.len() / width, values);
                sum.gemm(1.0, &apart, &apart.transpose(), 1.0);
            }
            sum
        })
        .collect();
    let zero = DMatrix::zeros(width, width);
    parts.iter().fold(zero, |sum, part| sum + part)
}

/// The precisions of the new covariances, from sums around the old means; the model has the new ones.
pub fn estimate(
    model: &MixtureModel,
    found: &Moments,
    scatter: &Scatter,
    regularisation: f64,
) -> Vec<f64> {
    let (width, k) = (model.width, model.n_components());
    // How far a mean has come.
    let way = |component: usize, at: usize| {
        found.sums[component * width + at] / found.counts[component]
    };
    let variance = |component: usize, at: usize| {
        let square = found.squares[component * width + at] / found.counts[component];
        (square - way(component, at).powi(2)).max(0.0) + regularisation
    };
    match model.covariance {
        Covariance::Full => {
            let factors = (0..k).into_par_iter().map(|component| {
                let squares = &found.squares[component * width * width..][..width * width];
                let count = found.counts[component];
                let value = |row: usize, column: usize| {
                    squares[row * width + column] / count
                        - way(component, row) * way(component, column)
                };
                factor(DMatrix::from_fn(width, width, value), regularisation)
            });
            factors.collect::<Vec<_>>().concat()
        }
        Covariance::Tied => {
            let value = |row: usize, column: usize| {
                let between = (0..k).map(|component| {
                    let mean = model.mean(component);
                    let apart = |at: usize| mean[at] - scatter.mean[at];
                    found.counts[component] * apart(row) * apart(column)
                });
                (scatter.outer[(row, column)] - between.sum::<f64>()) / scatter.n
            };
            factor(DMatrix::from_fn(width, width, value), regularisation)
        }
        Covariance::Diagonal => (0..k * width)
            .map(|at| variance(at / width, at % width).sqrt().recip())
            .collect(),
        Covariance::Spherical => (0..k)
            .map(|component| {
                let variances = (0..width).map(|at| variance(component, at));
                (variances.sum::<f64>() / width as f64).sqrt().recip()
            })
            .collect(),
    }
}

/// The upper triangle U with U · Uᵀ the inverse of a covariance, row after row.
fn factor(mut covariance: DMatrix<f64>, regularisation: f64) -> Vec<f64> {
    let width = covariance.nrows();
    let mean = covariance.diagonal().sum() / width as f64;
    let mut more = regularisation;
    loop {
        for at in 0..width {
            covariance[(at, at)] += more;
        }
        if let Some(root) = Cholesky::new(covariance.clone()) {
            let mut inverse = DMatrix::identity(width, width);
            let solved = root.l_dirty().solve_lower_triangular_mut(&mut inverse);
            if solved && inverse.iter().all(|value| value.is_finite()) {
                // Column after column, the inverse of the lower root is its transpose row after row.
                return inverse.as_slice().to_vec();
            }
        }
        // Rounding has left a covariance that is no such: its diagonal grows until it is one.
        more = (10.0 * more).max(1e-10 * mean.abs()).max(f64::MIN_POSITIVE);
    }
}
