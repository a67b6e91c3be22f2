//! Losses: scalars to be made small.

use crate::kernels::loss::{negative_log_likelihood, softmax_rows};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct CrossEntropy {
    logits: Var,
    labels: Vec<u32>,
    /// The share of each row in the mean.
    shares: Vec<f32>,
}

struct WeightedSum {
    x: Var,
    weights: Vec<f32>,
}

struct MeanSquaredError {
    x: Var,
    targets: Vec<f32>,
}

impl Tape<'_> {
    /// The mean of `-log softmax(logits)[label]`, weighted by the class of the label as in PyTorch.
    ///
    /// `logits` are `[n, k]`, `labels` `[n]` below `k`, `class_weights` `[k]`; gives a scalar.
    pub fn cross_entropy(
        &mut self,
        logits: Var,
        labels: &[u32],
        class_weights: Option<&[f32]>,
    ) -> Var {
        let value = self.value(logits);
        assert_eq!(
            value.rows(),
            labels.len(),
            "cross_entropy: {} labels for {:?}",
            labels.len(),
            value.shape
        );
        let weight = |label: u32| class_weights.map_or(1.0, |w| f64::from(w[label as usize]));
        let total: f64 = labels.iter().map(|&l| weight(l)).sum();
        let mut loss = 0.0f64;
        for (row, &label) in labels.iter().enumerate() {
            loss += weight(label) * negative_log_likelihood(value.row(row), label as usize);
        }
        let shares = labels.iter().map(|&l| (weight(l) / total) as f32).collect();
        let labels = labels.to_vec();
        let out = Tensor::scalar((loss / total) as f32);
        self.push(out, &[logits], || CrossEntropy {
            logits,
            labels,
            shares,
        })
    }

    /// The sum of `x · weights` over all values, for losses of one's own; gives a scalar.
    pub fn weighted_sum(&mut self, x: Var, weights: &[f32]) -> Var {
        let value = self.value(x);
        assert_eq!(
            value.len(),
            weights.len(),
            "weighted_sum: {:?}, {} weights",
            value.shape,
            weights.len()
        );
        let sum: f64 = value
            .data
            .iter()
            .zip(weights)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum();
        let weights = weights.to_vec();
        self.push(Tensor::scalar(sum as f32), &[x], || WeightedSum {
            x,
            weights,
        })
    }

    /// The mean of `(x - target)²` over all values; gives a scalar.
    pub fn mean_squared_error(&mut self, x: Var, targets: &[f32]) -> Var {
        let value = self.value(x);
        assert_eq!(
            value.len(),
            targets.len(),
            "mean_squared_error: {:?}, {} targets",
            value.shape,
            targets.len()
        );
        let sum: f64 = value
            .data
            .iter()
            .zip(targets)
            .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
            .sum();
        let out = Tensor::scalar((sum / targets.len().max(1) as f64) as f32);
        let targets = targets.to_vec();
        self.push(out, &[x], || MeanSquaredError { x, targets })
    }
}

impl Rule for CrossEntropy {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let mut out = pass.value(self.logits).clone();
        let cols = out.cols();
        softmax_rows(&mut out.data, cols);
        for ((row, &label), share) in out
            .data
            .chunks_exact_mut(cols)
            .zip(&self.labels)
            .zip(&self.shares)
        {
            row[label as usize] -= 1.0;
            for v in row {
                *v *= share * grad.item();
            }
        }
        pass.add(self.logits, out);
    }
}

impl Rule for WeightedSum {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let shape = pass.value(self.x).shape.clone();
        let data = self.weights.iter().map(|w| w * grad.item()).collect();
        pass.add(self.x, Tensor { shape, data });
    }
}

impl Rule for MeanSquaredError {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let mut out = pass.value(self.x).clone();
        let factor = 2.0 * grad.item() / self.targets.len().max(1) as f32;
        for (x, target) in out.data.iter_mut().zip(&self.targets) {
            *x = (*x - target) * factor;
        }
        pass.add(self.x, out);
    }
}
