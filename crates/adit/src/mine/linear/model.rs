//! A trained linear model.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::objective::{score, sigmoid, softmax};
use crate::mine::{MineError, Predictions};
use crate::represent::sparse::SparseMatrix;

/// Cross-validated loss of one penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PenaltyScore {
    pub penalty: f64,
    /// Mean over held-out rows: log loss, or the squared error in the target's own unit.
    pub loss: f64,
    /// Standard error of that over the folds.
    pub standard_error: f64,
}

/// Logistic or ridge regression, ready to predict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearModel {
    pub(super) version: u32,
    pub(super) kind: Kind,
    pub(super) n_features: usize,
    /// One row of outputs per feature, then the intercepts: `[n_features + 1, n_outputs]`.
    pub(super) weights: Vec<f64>,
    pub(super) chosen_penalty: f64,
    pub(super) path: Vec<PenaltyScore>,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Ridge {
        centre: f64,
        scale: f64,
    },
    /// `present`: classes among the training rows, ascending. Two of them share one output.
    Classes {
        n_classes: usize,
        present: Vec<u32>,
    },
}

impl Kind {
    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Classes { present, .. } if present.len() > 2 => present.len(),
            _ => 1,
        }
    }
}

pub(super) const VERSION: u32 = 1;

impl LinearModel {
    /// Predicts every row; a class that no training row had gets probability 0.
    ///
    /// # Errors
    /// [`MineError::FeaturesDiffer`], [`MineError::FeatureNotFinite`], [`MineError::DamagedModel`].
    pub fn predict(&self, features: &SparseMatrix) -> Result<Predictions, MineError> {
        self.check(features)?;
        let outputs = self.kind.outputs();
        let n_rows = features.n_rows();
        let mut scores = vec![0.0; n_rows * outputs];
        scores
            .par_chunks_mut(outputs)
            .enumerate()
            .with_min_len(64)
            .for_each(|(row, scores)| {
                score(features, row, &self.weights, scores);
            });
        Ok(match &self.kind {
            Kind::Ridge { centre, scale } => {
                Predictions::Numbers(scores.into_iter().map(|s| centre + scale * s).collect())
            }
            Kind::Classes { n_classes, present } => {
                let mut values = vec![0f32; n_rows * n_classes];
                let rows = values.chunks_exact_mut(*n_classes);
                for (row, scores) in rows.zip(scores.chunks_exact_mut(outputs)) {
                    if let [z] = scores {
                        row[present[0] as usize] = sigmoid(-*z) as f32;
                        row[present[1] as usize] = sigmoid(*z) as f32;
                    } else {
                        softmax(scores);
                        for (&class, &p) in present.iter().zip(scores.iter()) {
                            row[class as usize] = p as f32;
                        }
                    }
                }
                Predictions::Probabilities {
                    n_classes: *n_classes,
                    values,
                }
            }
        })
    }

    /// The penalty that was chosen.
    pub fn chosen_penalty(&self) -> f64 {
        self.chosen_penalty
    }

    /// Cross-validated losses from the strongest penalty to the weakest that was tried; empty
    /// where there was nothing to choose.
    pub fn path(&self) -> &[PenaltyScore] {
        &self.path
    }

    /// Iterations of the last training, and whether it came to its end.
    pub fn iterations(&self) -> (usize, bool) {
        (self.iterations, self.converged)
    }

    /// Classes of the rows of [`coefficients`](Self::coefficients), as codes of the target: for two
    /// classes only the second, for a number none.
    pub fn output_classes(&self) -> &[u32] {
        match &self.kind {
            Kind::Ridge { .. } => &[],
            Kind::Classes { present, .. } if present.len() == 2 => &present[1..],
            Kind::Classes { present, .. } => present,
        }
    }

    /// Change of each output per unit of each feature, `[n_outputs][n_features]`: the target's own
    /// unit for a number, log-odds of the second class for two classes, scores for more.
    pub fn coefficients(&self) -> Vec<Vec<f64>> {
        let outputs = self.kind.outputs();
        let scale = self.unit();
        (0..outputs)
            .map(|output| {
                let own = self.weights.iter().skip(output).step_by(outputs);
                own.take(self.n_features).map(|w| w * scale).collect()
            })
            .collect()
    }

    /// Output of a row whose features are all zero, `[n_outputs]`.
    pub fn intercepts(&self) -> Vec<f64> {
        let centre = if let Kind::Ridge { centre, .. } = self.kind {
            centre
        } else {
            0.0
        };
        let own = self
            .weights
            .iter()
            .skip(self.n_features * self.kind.outputs());
        own.map(|w| centre + w * self.unit()).collect()
    }

    fn unit(&self) -> f64 {
        if let Kind::Ridge { scale, .. } = self.kind {
            scale
        } else {
            1.0
        }
    }

    fn check(&self, features: &SparseMatrix) -> Result<(), MineError> {
        let damaged = |reason: &str| {
            Err(MineError::DamagedModel {
                reason: reason.to_owned(),
            })
        };
        if self.version != VERSION {
            return damaged("it is of another version");
        }
        if let Kind::Classes { n_classes, present } = &self.kind
            && (present.len() < 2 || present.iter().any(|&class| class as usize >= *n_classes))
        {
            return damaged("its classes do not exist");
        }
        if self.weights.len() != (self.n_features + 1) * self.kind.outputs()
            || self.weights.iter().any(|w| !w.is_finite())
        {
            return damaged("its weights are not those of its features");
        }
        if features.n_cols != self.n_features {
            let (expected, found) = (self.n_features, features.n_cols);
            return Err(MineError::FeaturesDiffer { expected, found });
        }
        check_finite(features)
    }
}

/// Refuses NaN and infinite features.
pub(super) fn check_finite(features: &SparseMatrix) -> Result<(), MineError> {
    match features.values.iter().position(|v| !v.is_finite()) {
        Some(at) => {
            let row = features.row_starts.partition_point(|&start| start <= at) - 1;
            Err(MineError::FeatureNotFinite {
                row,
                column: features.columns[at] as usize,
            })
        }
        None => Ok(()),
    }
}
