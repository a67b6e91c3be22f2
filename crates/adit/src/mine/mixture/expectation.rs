//! Who answers for which point, and the sums over points that follow from it.

use nalgebra::{DMatrix, DMatrixView};
use rayon::prelude::*;

use super::{Covariance, MixtureModel};
use crate::represent::points::Points;

/// Rows that are computed together.
const BLOCK: usize = 256;
/// Most pieces that the rows are cut into for sums.
const PIECES: usize = 32;
/// A share so small adds nothing to a sum.
const NOTHING: f64 = 1e-30;

/// What says who answers for which point.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The component of this number alone. `[n]`
    Labels(&'a [u32]),
    /// Each component by its density.
    Densities,
}

/// Sums over points, each weighted by how much a component answers for it, around the means of the model.
#[derive(Clone)]
pub struct Moments {
    /// `[k]`
    pub counts: Vec<f64>,
    /// `[k, width]`
    pub sums: Vec<f64>,
    /// `[k, width, width]` for full covariances, nothing for tied ones, else `[k, width]`.
    pub squares: Vec<f64>,
    /// Of a point, the mean.
    pub log_likelihood: f64,
}

/// Sums over all points.
pub fn moments(points: Points, model: &MixtureModel, source: Source) -> Moments {
    let (n, width) = (points.len(), points.width());
    let k = model.n_components();
    let empty = Moments {
        // As scikit-learn has it, so that a component that nothing is left of divides by no zero.
        counts: vec![10.0 * f64::EPSILON; k],
        sums: vec![0.0; k * width],
        squares: vec![
            0.0;
            match model.covariance {
                Covariance::Full => k * width * width,
                Covariance::Tied => 0,
                Covariance::Diagonal | Covariance::Spherical => k * width,
            }
        ],
        log_likelihood: 0.0,
    };
    // All sums together take no more memory than the points.
    let sums = empty.sums.len() + empty.squares.len();
    let n_pieces = (n * width / (2 * sums)).clamp(1, PIECES);
    let size = n.div_ceil(n_pieces).next_multiple_of(BLOCK);
    let pieces = points.values().par_chunks(size * width).enumerate();
    let pieces: Vec<Moments> = pieces
        .map(|(piece, rows)| {
            let mut work = Work::new(model);
            let mut sums = empty.clone();
            for (block, rows) in rows.chunks(BLOCK * width).enumerate() {
                let first = piece * size + block * BLOCK;
                sums.log_likelihood += work.share(rows, source, first);
                work.add(rows, &mut sums);
            }
            sums
        })
        .collect();
    let mut pieces = pieces.into_iter();
    let mut all = pieces.next().unwrap_or(empty);
    for piece in pieces {
        let counts = all.counts.iter_mut().zip(&piece.counts);
        counts.for_each(|(all, count)| *all += count - 10.0 * f64::EPSILON);
        let sums = all.sums.iter_mut().zip(&piece.sums);
        let squares = all.squares.iter_mut().zip(&piece.squares);
        sums.chain(squares).for_each(|(all, sum)| *all += sum);
        all.log_likelihood += piece.log_likelihood;
    }
    all.log_likelihood /= n as f64;
    all
}

/// The logarithm of the density at each point, and the component with the largest share. `[n]`
pub fn densities(points: Points, model: &MixtureModel) -> Vec<(f64, u32)> {
    let (width, k) = (points.width(), model.n_components());
    let mut out = vec![(0.0, 0); points.len()];
    let blocks = points.values().par_chunks(BLOCK * width);
    blocks.zip(out.par_chunks_mut(BLOCK)).for_each_init(
        || Work::new(model),
        |work, (rows, out)| {
            work.joint(rows);
            for (joint, out) in work.shares.chunks_exact(k).zip(out) {
                let mut best = 0;
                for (at, value) in joint.iter().enumerate() {
                    if *value > joint[best] {
                        best = at;
                    }
                }
                *out = (log_sum(joint), best as u32);
            }
        },
    );
    out
}

/// The shares of the components in the density at each point. `[n, k]`
pub fn responsibilities(points: Points, model: &MixtureModel) -> Vec<f64> {
    let (width, k) = (points.width(), model.n_components());
    let mut out = vec![0.0; points.len() * k];
    let blocks = points.values().par_chunks(BLOCK * width);
    blocks.zip(out.par_chunks_mut(BLOCK * k)).for_each_init(
        || Work::new(model),
        |work, (rows, out)| {
            work.share(rows, Source::Densities, 0);
            out.copy_from_slice(&work.shares[..out.len()]);
        },
    );
    out
}

/// The logarithm of the sum of the exponentials.
fn log_sum(values: &[f64]) -> f64 {
    let top = values.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    if !top.is_finite() {
        return top;
    }
    top + values.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
}

/// Memory for one block.
struct Work<'m> {
    model: &'m MixtureModel,
    /// What does not depend on the point: the logarithms of weight and norm. `[k]`
    constants: Vec<f64>,
    /// Points around a mean, a point a column. `[width, BLOCK]`
    apart: DMatrix<f64>,
    /// The same times the precision.
    scaled: DMatrix<f64>,
    /// Logarithms of the parts of the density, then shares. `[BLOCK, k]`
    shares: Vec<f64>,
}

impl<'m> Work<'m> {
    fn new(model: &'m MixtureModel) -> Work<'m> {
        let (k, width) = (model.n_components(), model.width);
        let log_norm = |component: usize| -> f64 {
            let diagonal = |matrix: &[f64]| -> f64 {
                let diagonal = matrix.iter().step_by(width + 1);
                diagonal.map(|value| value.ln()).sum()
            };
            let precisions = &model.precisions;
            match model.covariance {
                _ if precisions.is_empty() => 0.0,
                Covariance::Full => diagonal(&precisions[component * width * width..][..width * width]),
                Covariance::Tied => diagonal(precisions),
                Covariance::Diagonal => {
                    let own = &precisions[component * width..][..width];
                    own.iter().map(|value| value.ln()).sum()
                }
                Covariance::Spherical => width as f64 * precisions[component].ln(),
            }
        };
        let half = 0.5 * width as f64 * std::f64::consts::TAU.ln();
        Work {
            model,
            constants: (0..k)
                .map(|component| model.weights[component].ln() + log_norm(component) - half)
                .collect(),
            apart: DMatrix::zeros(width, BLOCK),
            scaled: DMatrix::zeros(width, BLOCK),
            shares: vec![0.0; BLOCK * k],
        }
    }

    /// Puts the points around a mean.
    fn center(&mut self, rows: &[f32], mean: &[f64]) {
        let width = self.model.width;
        let columns = self.apart.as_mut_slice().chunks_exact_mut(width);
        for (out, row) in columns.zip(rows.chunks_exact(width)) {
            let values = out.iter_mut().zip(row).zip(mean);
            values.for_each(|((out, &x), mean)| *out = f64::from(x) - mean);
        }
    }

    /// The logarithm of each component's part of the density at every point, into `shares`.
    fn joint(&mut self, rows: &[f32]) {
        let (model, width, k) = (self.model, self.model.width, self.model.n_components());
        let n_rows = rows.len() / width;
        for component in 0..k {
            self.center(rows, model.mean(component));
            let factor = match model.covariance {
                Covariance::Full => &model.precisions[component * width * width..][..width * width],
                Covariance::Tied => &model.precisions[..],
                Covariance::Diagonal => &model.precisions[component * width..][..width],
                Covariance::Spherical => &model.precisions[component..=component],
            };
            if factor.len() == width * width && width > 1 {
                // A matrix row after row is its transpose column after column.
                let factor = DMatrixView::from_slice(factor, width, width);
                let apart = self.apart.columns(0, n_rows);
                let mut scaled = self.scaled.columns_mut(0, n_rows);
                scaled.gemm(1.0, &factor, &apart, 0.0);
            } else {
                let apart = self.apart.as_slice().chunks_exact(width);
                let scaled = self.scaled.as_mut_slice().chunks_exact_mut(width);
                for (scaled, apart) in scaled.zip(apart).take(n_rows) {
                    let factors = factor.iter().cycle();
                    let values = scaled.iter_mut().zip(apart).zip(factors);
                    values.for_each(|((out, apart), factor)| *out = apart * factor);
                }
            }
            let shares = self.shares.iter_mut().skip(component).step_by(k);
            let scaled = self.scaled.as_slice().chunks_exact(width).take(n_rows);
            for (share, scaled) in shares.zip(scaled) {
                let square: f64 = scaled.iter().map(|value| value * value).sum();
                *share = self.constants[component] - 0.5 * square;
            }
        }
    }

    /// The shares of the components at every point, into `shares`; the sum of the log-likelihoods.
    fn share(&mut self, rows: &[f32], source: Source, first: usize) -> f64 {
        let k = self.model.n_components();
        let n_rows = rows.len() / self.model.width;
        if let Source::Labels(labels) = source {
            self.shares.fill(0.0);
            for (share, &label) in self.shares.chunks_exact_mut(k).zip(&labels[first..][..n_rows]) {
                share[label as usize] = 1.0;
            }
            return 0.0;
        }
        self.joint(rows);
        let mut likelihood = 0.0;
        for shares in self.shares.chunks_exact_mut(k).take(n_rows) {
            let whole = log_sum(shares);
            likelihood += whole;
            shares.iter_mut().for_each(|share| *share = (*share - whole).exp());
        }
        likelihood
    }

    /// Adds the points of a block to the sums.
    fn add(&mut self, rows: &[f32], sums: &mut Moments) {
        let (width, k) = (self.model.width, self.model.n_components());
        let mut own: Vec<f32> = Vec::new();
        let mut shares: Vec<f64> = Vec::new();
        for component in 0..k {
            own.clear();
            shares.clear();
            for (row, share) in rows.chunks_exact(width).zip(self.shares.chunks_exact(k)) {
                sums.counts[component] += share[component];
                if share[component] > NOTHING {
                    own.extend_from_slice(row);
                    shares.push(share[component]);
                }
            }
            if shares.is_empty() {
                continue;
            }
            self.center(&own, self.model.mean(component));
            let out = &mut sums.sums[component * width..][..width];
            let apart = self.apart.as_slice().chunks_exact(width);
            for (apart, share) in apart.clone().zip(&shares) {
                out.iter_mut().zip(apart).for_each(|(sum, apart)| *sum += share * apart);
            }
            match self.model.covariance {
                Covariance::Tied => {}
                Covariance::Diagonal | Covariance::Spherical => {
                    let out = &mut sums.squares[component * width..][..width];
                    for (apart, share) in apart.zip(&shares) {
                        let values = out.iter_mut().zip(apart);
                        values.for_each(|(sum, apart)| *sum += share * apart * apart);
                    }
                }
                Covariance::Full => {
                    let out = &mut sums.squares[component * width * width..][..width * width];
                    self.outer(&shares, out);
                }
            }
        }
    }

    /// Adds the weighted outer products of the points with themselves. `[width, width]`
    fn outer(&mut self, shares: &[f64], out: &mut [f64]) {
        let width = self.model.width;
        let apart = self.apart.columns(0, shares.len());
        let mut scaled = self.scaled.columns_mut(0, shares.len());
        for (at, share) in shares.iter().enumerate() {
            scaled.column_mut(at).zip_apply(&apart.column(at), |out, apart| *out = share * apart);
        }
        let mut out = nalgebra::DMatrixViewMut::from_slice(out, width, width);
        out.gemm(1.0, &scaled, &apart.transpose(), 1.0);
    }
}
