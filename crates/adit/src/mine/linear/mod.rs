//! Logistic and ridge regression.
//!
//! Enters: sparse features and the target. Leaves: a model whose penalty was chosen by
//! cross-validation inside the training rows. Not here: how features are made, L1 penalties.

mod fit;
mod model;
mod objective;
#[cfg(test)]
mod tests;

pub use model::{LinearModel, PenaltyScore};

use serde::{Deserialize, Serialize};

use super::MineError;

/// How much each training row counts in classification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// Every row counts 1.
    #[default]
    Equal,
    /// Every class counts the same in all: rows / (classes * rows of the class).
    Balanced,
    /// Weight of a row by its class, in the order of the target's names; positive.
    Given(Vec<f64>),
}

impl ClassWeights {
    /// The weight of each class, of which the training rows hold `counts` rows; 1 where they hold none.
    ///
    /// Given weights are one a class.
    pub fn by_class(&self, counts: &[usize]) -> Vec<f64> {
        let rows: usize = counts.iter().sum();
        let present = counts.iter().filter(|n| **n > 0).count();
        match self {
            ClassWeights::Equal => vec![1.0; counts.len()],
            ClassWeights::Given(weights) => weights.clone(),
            ClassWeights::Balanced => counts
                .iter()
                .map(|&n| match n {
                    0 => 1.0,
                    n => rows as f64 / (present * n) as f64,
                })
                .collect(),
        }
    }
}

/// How a linear model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearSettings {
    /// L2 penalties to choose from: the weights minimise the summed loss (log loss, or half the
    /// squared error of the standardised target) plus `penalty / 2 * |weights|²`. One alone is
    /// taken as it is.
    pub penalties: Vec<f64>,
    /// Parts of the cross-validation, at least 2; more than 4,000 training rows are cut in at most 3.
    pub folds: usize,
    pub seed: u64,
    /// Whose each row is: rows of one stay in one part. `[n_rows]`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<u64>>,
    pub class_weights: ClassWeights,
    /// Iterations of the last training; each training of the cross-validation gets half.
    pub max_iterations: usize,
    /// Training ends when no partial derivative of the mean loss is larger.
    pub tolerance: f64,
}

impl Default for LinearSettings {
    fn default() -> Self {
        Self {
            penalties: (-6..=8)
                .map(|half| 10f64.powf(f64::from(half) / 2.0))
                .collect(),
            folds: 5,
            seed: 0,
            groups: None,
            class_weights: ClassWeights::Equal,
            max_iterations: 500,
            tolerance: 1e-5,
        }
    }
}

impl LinearSettings {
    fn check(&self, n_classes: usize) -> Result<(), MineError> {
        let wrong = |setting, value: String, reason| {
            Err(MineError::Setting {
                setting,
                value,
                reason,
            })
        };
        if self.penalties.is_empty() {
            return wrong("penalties", "empty".to_owned(), "at least one is needed");
        }
        if let Some(p) = self
            .penalties
            .iter()
            .find(|p| !(p.is_finite() && **p > 0.0))
        {
            return wrong("penalties", p.to_string(), "penalties are positive numbers");
        }
        if self.folds < 2 {
            return wrong("folds", self.folds.to_string(), "at least 2 are needed");
        }
        if self.max_iterations == 0 {
            return wrong("max_iterations", "0".to_owned(), "at least 1 is needed");
        }
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            return wrong(
                "tolerance",
                self.tolerance.to_string(),
                "it cannot be negative",
            );
        }
        if let ClassWeights::Given(weights) = &self.class_weights {
            if n_classes > 0 && weights.len() != n_classes {
                let value = format!("{} weights", weights.len());
                return wrong("class_weights", value, "one weight per class is needed");
            }
            if let Some(w) = weights.iter().find(|w| !(w.is_finite() && **w > 0.0)) {
                return wrong(
                    "class_weights",
                    w.to_string(),
                    "weights are positive numbers",
                );
            }
        }
        Ok(())
    }
}
