//! Metrics of predicted numbers.

use super::Measures;
use super::classes::weighted_sum;
use super::metric::{Metric, N_METRICS};
use crate::mine::Predictions;

/// One model's errors, row by row.
pub(crate) struct ScoredNumbers {
    squares: Vec<f64>,
    absolutes: Vec<f64>,
    /// Truth minus its mean over all rows: keeps the sums below small.
    centred: Vec<f64>,
    centred_squares: Vec<f64>,
    truth_is_constant: bool,
}

impl ScoredNumbers {
    /// `None` where the predictions are not those of these rows.
    pub fn new(truth: &[f64], predictions: &Predictions) -> Option<Self> {
        let Predictions::Numbers(predicted) = predictions else {
            return None;
        };
        if predicted.len() != truth.len() {
            return None;
        }
        let mean = truth.iter().sum::<f64>() / truth.len().max(1) as f64;
        let errors: Vec<f64> = predicted
            .iter()
            .zip(truth)
            .map(|(predicted, truth)| predicted - truth)
            .collect();
        let centred: Vec<f64> = truth.iter().map(|value| value - mean).collect();
        Some(Self {
            squares: errors.iter().map(|error| error * error).collect(),
            absolutes: errors.iter().map(|error| error.abs()).collect(),
            centred_squares: centred.iter().map(|value| value * value).collect(),
            centred,
            truth_is_constant: truth.iter().all(|value| value == &truth[0]),
        })
    }

    /// Every metric when row `i` counts `weights[i]` times.
    pub fn measure(&self, weights: &[u32]) -> Measures {
        let mut measures = [f64::NAN; N_METRICS];
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        if total == 0 {
            return measures;
        }
        let total = total as f64;
        let squares = weighted_sum(&self.squares, weights);
        measures[Metric::Rmse as usize] = (squares / total).sqrt();
        measures[Metric::Mae as usize] = weighted_sum(&self.absolutes, weights) / total;
        let raw = weighted_sum(&self.centred_squares, weights);
        let shift = weighted_sum(&self.centred, weights);
        let around_mean = raw - shift * shift / total;
        // Rows that all hold one value have no variance to explain; what is left then is rounding.
        if !self.truth_is_constant && around_mean > 1e-12 * raw {
            measures[Metric::R2 as usize] = 1.0 - squares / around_mean;
        }
        measures
    }
}
