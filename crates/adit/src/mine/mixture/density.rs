//! The densities of points under a mixture: the expectation step.

use rayon::prelude::*;

use super::{Covariance, MixtureModel, triangle};
use crate::represent::points::Points;

/// Points that are looked at side by side.
pub(super) const ROWS: usize = 128;
/// Squared distances count as no more, so that no logarithm of a density is infinite.
const FARTHEST: f64 = 1e280;

/// A mixture with what its densities need over and over.
pub(super) struct Density<'a> {
    model: &'a MixtureModel,
    /// The logarithm of weight times density at the mean. `[k]`
    peaks: Vec<f64>,
}

/// Room for one block of points.
struct Block {
    columns: Vec<f64>,
    /// The logarithm of weight times density. `[n, k]`
    joint: Vec<f64>,
}

impl<'a> Density<'a> {
    pub(super) fn new(model: &'a MixtureModel) -> Density<'a> {
        let scale = 0.5 * model.width as f64 * (2.0 * std::f64::consts::PI).ln();
        let peaks = (model.weights.iter().enumerate())
            .map(|(at, weight)| {
                let log_det: f64 = model.deviations(at).map(f64::ln).sum();
                weight.ln() - scale - log_det
            })
            .collect();
        Density { model, peaks }
    }

    /// The most likely component of every point. `[n_points]`
    pub(super) fn labels(&self, points: Points) -> Vec<u32> {
        self.each(points, &|joint| {
            let largest = |best: usize, at: usize| if joint[at] > joint[best] { at } else { best };
            (0..joint.len()).fold(0, largest) as u32
        })
    }

    /// The log density of every point. `[n_points]`
    pub(super) fn log_density(&self, points: Points) -> Vec<f64> {
        self.each(points, &|joint| log_sum(joint))
    }

    /// Responsibilities `[n_points, k]` and the sum of the log densities.
    pub(super) fn responsibilities(&self, points: Points) -> (Vec<f64>, f64) {
        let k = self.peaks.len();
        let mut out = vec![0.0; points.len() * k];
        let total = self.responsibilities_into(points, &mut out);
        (out, total)
    }

    /// As [`Density::responsibilities`], into a place that is there.
    pub(super) fn responsibilities_into(&self, points: Points, out: &mut [f64]) -> f64 {
        let (width, k) = (points.width(), self.peaks.len());
        let blocks = points.values().par_chunks(ROWS * width);
        let sums: Vec<f64> = (blocks.zip(out.par_chunks_mut(ROWS * k)))
            .map_init(
                || self.block(),
                |block, (rows, out)| {
                    self.fill(rows, block);
                    let joints = block.joint.chunks_exact(k).zip(out.chunks_exact_mut(k));
                    joints
                        .map(|(joint, out)| {
                            let log_density = log_sum(joint);
                            for (out, x) in out.iter_mut().zip(joint) {
                                *out = (x - log_density).exp();
                            }
                            log_density
                        })
                        .sum()
                },
            )
            .collect();
        sums.iter().sum()
    }

    fn each<T: Send>(&self, points: Points, told: &(dyn Fn(&[f64]) -> T + Sync)) -> Vec<T> {
        let blocks = points.values().par_chunks(ROWS * points.width());
        let parts: Vec<Vec<T>> = blocks
            .map_init(
                || self.block(),
                |block, rows| {
                    self.fill(rows, block);
                    let joints = block.joint.chunks_exact(self.peaks.len());
                    joints.map(told).collect()
                },
            )
            .collect();
        parts.into_iter().flatten().collect()
    }

    fn block(&self) -> Block {
        Block {
            columns: Vec::new(),
            joint: Vec::new(),
        }
    }

    /// Fills a block with the logarithms of weight times density.
    fn fill(&self, rows: &[f32], block: &mut Block) {
        let (width, k) = (self.model.width, self.peaks.len());
        let n = rows.len() / width;
        block.columns.resize(n * width, 0.0);
        block.joint.resize(n * k, 0.0);
        for at in 0..k {
            let rows = rows.chunks_exact(width);
            centre(rows, self.model.center(at), (&mut block.columns, n));
            let squares = self.squares(at, &mut block.columns, n);
            let joint = block.joint.iter_mut().skip(at).step_by(k);
            for (joint, square) in joint.zip(squares) {
                // Also where the square is not a number.
                let square = if square < FARTHEST { square } else { FARTHEST };
                *joint = self.peaks[at] - 0.5 * square;
            }
        }
    }

    /// Squared Mahalanobis distances of centred points. `[n]`
    fn squares(&self, at: usize, columns: &mut [f64], n: usize) -> [f64; ROWS] {
        let factor = self.model.factor(at);
        let mut squares = [0.0; ROWS];
        match self.model.covariance {
            Covariance::Full | Covariance::Tied => triangle::solve(factor, columns, n),
            Covariance::Diagonal => {
                for (column, by) in columns.chunks_exact_mut(n).zip(factor) {
                    column.iter_mut().for_each(|x| *x /= by);
                }
            }
            Covariance::Spherical => columns.iter_mut().for_each(|x| *x /= factor[0]),
        }
        for column in columns.chunks_exact(n) {
            (squares.iter_mut().zip(column)).for_each(|(square, x)| *square += x * x);
        }
        squares
    }
}

/// Puts `n` rows around a centre and side by side. `columns`: `[width, n]`
pub(super) fn centre<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    center: &[f64],
    (columns, n): (&mut [f64], usize),
) {
    for (at, row) in rows.enumerate() {
        for (column, (&x, center)) in row.iter().zip(center).enumerate() {
            columns[column * n + at] = f64::from(x) - center;
        }
    }
}

/// The logarithm of the sum of exponentials.
fn log_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|x| (x - largest).exp()).sum();
    largest + sum.ln()
}
