//! Penalised loss of a linear model and its gradient.
//!
//! Two passes, so that no sum is spread over threads: rows give residuals (each row alone), then
//! columns of the transpose give the gradient (each column alone).

use rayon::prelude::*;

use crate::mine::MineError;
use crate::represent::sparse::SparseMatrix;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Half the squared error.
    Squares,
    /// Two classes; the target is 0 or 1.
    Logistic,
    /// Several classes; the target is the class.
    Softmax,
}

/// Training rows with their target.
pub(super) struct Problem {
    pub loss: Loss,
    /// Columns of weights: 1, or the number of classes for [`Loss::Softmax`].
    pub outputs: usize,
    rows: SparseMatrix,
    columns: SparseMatrix,
    targets: Vec<f64>,
    /// Weight of each row; they sum to 1.
    weights: Vec<f64>,
    /// Sum of the weights as they were given.
    total_weight: f64,
    residuals: Vec<f64>,
}

/// Rows per partial sum; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 64;

impl Problem {
    /// Takes the rows `keep` of `features`; `targets` and `weights` are those of the rows kept.
    pub fn new(
        features: &SparseMatrix,
        keep: &[usize],
        (loss, outputs): (Loss, usize),
        targets: Vec<f64>,
        weights: Vec<f64>,
    ) -> Result<Self, MineError> {
        let n_rows = features.n_rows();
        let rows = features
            .select(keep)
            .map_err(|_| MineError::RowOutOfRange {
                row: keep.iter().copied().max().unwrap_or(0),
                n_rows,
            })?;
        let columns = rows.transposed();
        let total_weight: f64 = weights.iter().sum();
        let weights = weights.into_iter().map(|w| w / total_weight).collect();
        let residuals = vec![0.0; keep.len() * outputs];
        Ok(Self {
            loss,
            outputs,
            rows,
            columns,
            targets,
            weights,
            total_weight,
            residuals,
        })
    }

    /// Length of the vector of weights: one row per feature, then the intercepts.
    pub fn n_weights(&self) -> usize {
        (self.rows.n_cols + 1) * self.outputs
    }

    /// Best weights when every feature is left out.
    pub fn start(&self) -> Vec<f64> {
        let mut point = vec![0.0; self.n_weights()];
        let intercepts = self.rows.n_cols * self.outputs;
        let mean = |wanted: &dyn Fn(f64) -> f64| -> f64 {
            self.targets
                .iter()
                .zip(&self.weights)
                .map(|(&t, w)| w * wanted(t))
                .sum()
        };
        match self.loss {
            Loss::Squares => point[intercepts] = mean(&|t| t),
            Loss::Logistic => {
                let p = mean(&|t| t);
                point[intercepts] = (p / (1.0 - p)).ln();
            }
            Loss::Softmax => {
                let logs: Vec<f64> = (0..self.outputs)
                    .map(|class| mean(&|t| f64::from(t == class as f64)).ln())
                    .collect();
                let centre = logs.iter().sum::<f64>() / self.outputs as f64;
                for (class, log) in logs.into_iter().enumerate() {
                    point[intercepts + class] = log - centre;
                }
            }
        }
        point
    }

    /// Second derivative along each weight when every feature is left out.
    pub fn curvature(&self, penalty: f64) -> Vec<f64> {
        let of_shares = |shares: &[f64]| shares.iter().map(|p| p * (1.0 - p)).collect();
        let by_output: Vec<f64> = match self.loss {
            Loss::Squares => vec![1.0],
            Loss::Logistic => of_shares(&self.shares(2)[1..]),
            Loss::Softmax => of_shares(&self.shares(self.outputs)),
        };
        let shrink = penalty / self.total_weight;
        let mut out = Vec::with_capacity(self.n_weights());
        for column in 0..self.columns.n_rows() {
            let (rows, values) = self.columns.row(column);
            let squares = rows.iter().zip(values);
            let squares = squares.map(|(&r, &v)| self.weights[r as usize] * f64::from(v).powi(2));
            let square: f64 = squares.sum();
            out.extend(by_output.iter().map(|c| shrink + c * square));
        }
        out.extend(by_output);
        out
    }

    /// Makes the intercepts of several classes sum to 0; a common shift changes no probability.
    pub fn centre_intercepts(&self, point: &mut [f64]) {
        if self.loss == Loss::Softmax {
            let intercepts = &mut point[self.rows.n_cols * self.outputs..];
            let centre = intercepts.iter().sum::<f64>() / self.outputs as f64;
            intercepts.iter_mut().for_each(|i| *i -= centre);
        }
    }

    /// Weighted share of each class.
    fn shares(&self, n_classes: usize) -> Vec<f64> {
        let mut shares = vec![0.0; n_classes];
        for (&class, weight) in self.targets.iter().zip(&self.weights) {
            shares[class as usize] += weight;
        }
        shares
    }

    /// Mean loss plus `penalty / (2 * total weight) * |weights|²`, intercepts left out.
    pub fn evaluate(&mut self, penalty: f64, point: &[f64], gradient: &mut [f64]) -> f64 {
        let outputs = self.outputs;
        let loss = self.fill_residuals(point);
        let shrink = penalty / self.total_weight;
        let (weights, _) = point.split_at(self.rows.n_cols * outputs);
        let (slopes, intercepts) = gradient.split_at_mut(self.rows.n_cols * outputs);
        let (columns, residuals) = (&self.columns, &self.residuals);
        // Work per column is uneven; short pieces let threads share it.
        let piece = columns.n_rows().div_ceil(256).max(1);
        slopes
            .par_chunks_mut(piece * outputs)
            .enumerate()
            .for_each(|(at, slopes)| {
                for (offset, slope) in slopes.chunks_exact_mut(outputs).enumerate() {
                    let column = at * piece + offset;
                    let own = &weights[column * outputs..(column + 1) * outputs];
                    for (s, w) in slope.iter_mut().zip(own) {
                        *s = shrink * w;
                    }
                    let (rows, values) = columns.row(column);
                    for (&row, &value) in rows.iter().zip(values) {
                        let value = f64::from(value);
                        let residual = &residuals[row as usize * outputs..][..outputs];
                        for (s, r) in slope.iter_mut().zip(residual) {
                            *s += value * r;
                        }
                    }
                }
            });
        intercepts.fill(0.0);
        for residual in self.residuals.chunks_exact(outputs) {
            for (s, r) in intercepts.iter_mut().zip(residual) {
                *s += r;
            }
        }
        loss + 0.5 * shrink * crate::mine::lbfgs::dot(weights, weights)
    }

    /// Mean loss at a point; derivatives by the scores stay in `residuals`.
    fn fill_residuals(&mut self, point: &[f64]) -> f64 {
        let Self {
            loss,
            outputs,
            rows,
            targets,
            weights,
            residuals,
            ..
        } = self;
        let (loss, outputs) = (*loss, *outputs);
        let parts: Vec<f64> = residuals
            .par_chunks_mut(BLOCK * outputs)
            .enumerate()
            .map(|(block, residuals)| {
                let mut sum = 0.0;
                for (offset, scores) in residuals.chunks_exact_mut(outputs).enumerate() {
                    let row = block * BLOCK + offset;
                    score(rows, row, point, scores);
                    sum += weights[row] * residual(loss, targets[row], scores);
                    scores.iter_mut().for_each(|s| *s *= weights[row]);
                }
                sum
            })
            .collect();
        parts.into_iter().sum()
    }
}

/// Scores of one row: `intercepts + row * weights`.
pub(super) fn score(rows: &SparseMatrix, row: usize, point: &[f64], scores: &mut [f64]) {
    let outputs = scores.len();
    let (columns, values) = rows.row(row);
    scores.copy_from_slice(&point[rows.n_cols * outputs..]);
    if let [score] = scores {
        *score += columns
            .iter()
            .zip(values)
            .map(|(&c, &v)| f64::from(v) * point[c as usize])
            .sum::<f64>();
        return;
    }
    for (&column, &value) in columns.iter().zip(values) {
        let value = f64::from(value);
        let own = &point[column as usize * outputs..][..outputs];
        for (s, w) in scores.iter_mut().zip(own) {
            *s += value * w;
        }
    }
}

/// Turns scores into their derivatives and returns the loss of the row.
fn residual(loss: Loss, target: f64, scores: &mut [f64]) -> f64 {
    match loss {
        Loss::Squares => {
            scores[0] -= target;
            0.5 * scores[0] * scores[0]
        }
        Loss::Logistic => {
            let z = scores[0];
            // ln(1 + e^z) - target * z, without overflow.
            let value = z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z;
            scores[0] = sigmoid(z) - target;
            value
        }
        Loss::Softmax => {
            let class = target as usize;
            let own = scores[class];
            let log_total = softmax(scores);
            scores[class] -= 1.0;
            log_total - own
        }
    }
}

/// 1 / (1 + e^-z), exact to rounding at both ends.
pub(super) fn sigmoid(z: f64) -> f64 {
    let e = (-z.abs()).exp();
    if z >= 0.0 {
        1.0 / (1.0 + e)
    } else {
        e / (1.0 + e)
    }
}

/// Turns scores into probabilities and returns the logarithm of the sum of their exponentials.
pub(super) fn softmax(scores: &mut [f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for s in scores.iter_mut() {
        *s = (*s - largest).exp();
        total += *s;
    }
    scores.iter_mut().for_each(|s| *s /= total);
    largest + total.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(loss: Loss, outputs: usize) -> Problem {
        let dense: Vec<f32> = (0..60)
            .map(|i| {
                if i % 3 == 0 {
                    0.0
                } else {
                    (i as f32 * 0.7).sin()
                }
            })
            .collect();
        let features = SparseMatrix::from_dense(4, &dense);
        let keep: Vec<usize> = (0..15).filter(|row| row % 5 != 2).collect();
        let targets = keep
            .iter()
            .map(|&row| (row % outputs.max(2)) as f64)
            .collect();
        let weights = keep.iter().map(|&row| 1.0 + row as f64 / 10.0).collect();
        Problem::new(&features, &keep, (loss, outputs), targets, weights).unwrap()
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (loss, outputs) in [(Loss::Squares, 1), (Loss::Logistic, 1), (Loss::Softmax, 3)] {
            let mut problem = problem(loss, outputs);
            let n = problem.n_weights();
            let point: Vec<f64> = (0..n).map(|i| (i as f64 * 1.3).cos()).collect();
            let mut gradient = vec![0.0; n];
            problem.evaluate(0.8, &point, &mut gradient);
            for i in 0..n {
                let mut at = |step: f64| {
                    let mut moved = point.clone();
                    moved[i] += step;
                    problem.evaluate(0.8, &moved, &mut vec![0.0; n])
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!(
                    (slope - gradient[i]).abs() < 1e-9,
                    "{loss:?} {i}: {slope} {}",
                    gradient[i]
                );
            }
        }
    }

    #[test]
    fn the_start_is_flat_in_the_intercepts() {
        for (loss, outputs) in [(Loss::Squares, 1), (Loss::Logistic, 1), (Loss::Softmax, 3)] {
            let mut problem = problem(loss, outputs);
            let start = problem.start();
            let mut gradient = vec![0.0; start.len()];
            problem.evaluate(1.0, &start, &mut gradient);
            for slope in &gradient[4 * outputs..] {
                assert!(slope.abs() < 1e-15, "{loss:?}: {slope}");
            }
        }
    }

    #[test]
    fn probabilities_stay_finite_at_any_score() {
        assert_eq!(
            (sigmoid(-2000.0), sigmoid(2000.0), sigmoid(0.0)),
            (0.0, 1.0, 0.5)
        );
        let mut scores = [2000.0, -2000.0, 2000.0];
        assert_eq!(softmax(&mut scores), 2000.0 + 2f64.ln());
        assert_eq!(scores, [0.5, 0.0, 0.5]);
        let mut scores = [1500.0];
        assert_eq!(residual(Loss::Logistic, 0.0, &mut scores), 1500.0);
    }
}
