//! Outliers: rows unlike the others, found without labels.
//!
//! Enters: points of scaled numbers, one a row. Leaves: a [`DetectorModel`], the score of each row by it (the higher,
//! the stranger), and evidence for reasons: what each column did to a score. [`surprise`] joins
//! the scores of several detectors; [`series`] looks at one series instead of rows. Not here: the scaling, the search
//! for neighbours, the choice of a threshold.

pub mod ecod;
pub mod empirical;
pub mod isolation_forest;
pub mod masked_cells;
pub mod nearest;
pub mod rarity;
pub mod season;
pub mod series;
pub mod surprise;

#[cfg(test)]
mod tests;

pub use ecod::{Ecod, EcodModel};
pub use isolation_forest::{IsolationForest, IsolationForestModel};
pub use masked_cells::MaskedCellsModel;
pub use nearest::Nearest;
pub use rarity::{Rarity, threshold_of_alerts};
pub use surprise::Surprise;

use serde::{Deserialize, Serialize};

use super::MineError;
use crate::represent::points::Points;

/// Whether rows are those that a detector learned from, in which case each of them is already counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    Training,
    New,
}

/// Finds the distances of points to their k nearest training rows, ascending, a training row not being its own
/// neighbour; as many of each point, fewer than k only where there are fewer rows. `[n_points, n_found]`
pub type Distances<'a> = dyn Fn(Points, Rows, usize) -> Result<Vec<f32>, MineError> + Sync + 'a;

/// A way to find outliers, and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    IsolationForest(IsolationForest),
    Ecod(Ecod),
    Nearest(Nearest),
}

/// What a detector learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorModel {
    IsolationForest(IsolationForestModel),
    Ecod(EcodModel),
    /// The training rows lie with the search for neighbours.
    Nearest(Nearest),
}

impl Detector {
    /// What the detector is called.
    pub fn name(&self) -> &'static str {
        match self {
            Detector::IsolationForest(_) => "isolation forest",
            Detector::Ecod(_) => "ECOD",
            Detector::Nearest(_) => "nearest neighbours",
        }
    }

    /// Learns from `points` what is usual.
    ///
    /// # Errors
    /// Settings out of range; no rows; values that are not finite; `Cancelled`.
    pub fn fit(
        &self,
        points: Points,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<DetectorModel, MineError> {
        Ok(match self {
            Detector::IsolationForest(settings) => {
                DetectorModel::IsolationForest(settings.fit(points, goes_on)?)
            }
            Detector::Ecod(settings) => DetectorModel::Ecod(settings.fit(points, goes_on)?),
            Detector::Nearest(settings) => {
                settings.check()?;
                if points.is_empty() {
                    return Err(MineError::NoTrainingRows);
                }
                check_finite(points)?;
                DetectorModel::Nearest(*settings)
            }
        })
    }
}

impl DetectorModel {
    /// The score of each point: the higher, the stranger. `[n_points]`
    ///
    /// # Errors
    /// Columns other than in training; values that are not finite; those of `distances`; a damaged model.
    pub fn scores(
        &self,
        points: Points,
        rows: Rows,
        distances: &Distances,
    ) -> Result<Vec<f64>, MineError> {
        match self {
            DetectorModel::IsolationForest(model) => model.scores(points),
            DetectorModel::Ecod(model) => model.scores(points, rows),
            DetectorModel::Nearest(settings) => {
                check_finite(points)?;
                let found = distances(points, rows, settings.k)?;
                settings.scores(&found, points.len())
            }
        }
    }
}

/// Every detector needs numbers.
fn check_finite(points: Points) -> Result<(), MineError> {
    match points.values().iter().position(|v| !v.is_finite()) {
        Some(at) => Err(MineError::FeatureNotFinite {
            row: at / points.width(),
            column: at % points.width(),
        }),
        None => Ok(()),
    }
}
