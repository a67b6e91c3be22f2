//! Gradient-boosted decision trees over histograms.
//!
//! Enters: columns of numbers and category codes, a target, rows to learn from and rows to stop by. Leaves: a
//! [`TreesModel`] with its losses by round. Leaf-wise growth, native categories and missing values as in Ke et al. 2017
//! (LightGBM); second-order gains as in Chen and Guestrin 2016 (XGBoost). Every sum is taken by one thread in the
//! order of the rows, so the bytes do not depend on the number of threads. Not here: the choice of settings.

mod bins;
mod boost;
mod grow;
mod histogram;
mod model;
mod split;
mod tree;

pub use boost::Watching;
pub use model::TreesModel;

use serde::{Deserialize, Serialize};

use super::MineError;

/// One column of the rows.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// NaN is missing; infinite values are the largest and the smallest. `[n_rows]`
    Numbers(&'a [f32]),
    /// Codes below `cardinality`; 0 is a category that training rows do not have. `[n_rows]`
    Categories { codes: &'a [u32], cardinality: u32 },
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Column::Numbers(values) => values.len(),
            Column::Categories { codes, .. } => codes.len(),
        }
    }
}

/// How trees are grown; by default as LightGBM does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeSettings {
    /// Share of each leaf's best value that is taken, 0 < x <= 1.
    pub learning_rate: f64,
    /// Most rounds; each grows one tree, or one a class where there are more than two.
    pub n_rounds: usize,
    /// Rounds without a better validation loss after which growing stops.
    pub patience: usize,
    /// Most leaves of a tree, at least 2.
    pub n_leaves: usize,
    pub min_rows_in_leaf: usize,
    pub min_hessian: f64,
    /// Penalty on squared leaf values.
    pub l2: f64,
    /// A split that gains no more is not made.
    pub min_gain: f64,
    /// Most bins a column, 2 to 255.
    pub max_bins: usize,
    /// Share of the columns that each tree may use, 0 < x <= 1.
    pub column_share: f64,
    /// Share of the rows that each round learns from, 0 < x <= 1.
    pub row_share: f64,
    pub seed: u64,
}

impl Default for TreeSettings {
    fn default() -> Self {
        TreeSettings {
            learning_rate: 0.1,
            n_rounds: 100,
            patience: 50,
            n_leaves: 31,
            min_rows_in_leaf: 20,
            min_hessian: 1e-3,
            l2: 0.0,
            min_gain: 1e-9,
            max_bins: 255,
            column_share: 1.0,
            row_share: 1.0,
            seed: 0,
        }
    }
}

impl TreeSettings {
    fn check(&self) -> Result<(), MineError> {
        let share = |x: f64| x > 0.0 && x <= 1.0;
        let checks = [
            (
                "learning_rate",
                share(self.learning_rate),
                self.learning_rate,
            ),
            ("n_rounds", self.n_rounds > 0, self.n_rounds as f64),
            ("n_leaves", self.n_leaves > 1, self.n_leaves as f64),
            (
                "max_bins",
                (2..=255).contains(&self.max_bins),
                self.max_bins as f64,
            ),
            ("column_share", share(self.column_share), self.column_share),
            ("row_share", share(self.row_share), self.row_share),
            ("l2", self.l2 >= 0.0 && self.l2.is_finite(), self.l2),
            ("min_hessian", self.min_hessian >= 0.0, self.min_hessian),
        ];
        match checks.into_iter().find(|(_, fits, _)| !fits) {
            Some((setting, _, value)) => Err(MineError::Setting {
                setting,
                value: value.to_string(),
                reason: "it lies outside of what it can be",
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
