//! ECOD: rows with values far out in the tails of their columns are strange (Li et al. 2022).
//!
//! Enters: points of numbers. Leaves: an [`EcodModel`] with the distribution of every column. A cell's score is the
//! negative logarithm of the smaller of two shares, that of rows with a value as low and that of rows with one as high;
//! a row's score is the sum over its cells, as in PyOD. (The paper's third sum takes of each cell the tail to which its
//! column is skewed, which is never more than the larger of both.) The columns count as if they were independent.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::empirical::{Counts, Empirical};
use super::{Rows, check_finite};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Columns with more distinct values than these are thinned, see [`super::empirical`].
const MOST_VALUES: usize = 10_000;
/// Wide tables are thinned earlier, so that a model of them stays below so many values…
const MOST_IN_ALL: usize = 2_000_000;
/// … but not below these a column.
const LEAST_VALUES: usize = 1_000;
/// Columns that are sorted between two questions whether to go on.
const GROUP_COLUMNS: usize = 32;
/// Rows that one thread is asked at once.
const CHUNK_ROWS: usize = 256;

/// ECOD has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ecod {}

/// The distribution of every column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EcodModel {
    columns: Vec<Empirical<f32>>,
}

/// The shares of rows with a value as low, and as high, as a cell's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tails {
    pub low: f64,
    pub high: f64,
}

impl Tails {
    fn of(counts: Counts, n: usize, rows: Rows) -> Tails {
        // A new row counts as one more of the sample.
        let (itself, n) = match rows {
            Rows::Training => (0.0, n as f64),
            Rows::New => (1.0, n as f64 + 1.0),
        };
        let share = |count: f64| (count + itself).max(1.0) / n;
        Tails {
            low: share(counts.below + counts.equal),
            high: share(counts.above + counts.equal),
        }
    }

    /// The negative logarithm of the smaller share.
    fn score(self) -> f64 {
        -self.low.min(self.high).ln()
    }
}

impl Ecod {
    /// Learns the distributions of the columns of `points`.
    ///
    /// # Errors
    /// No rows; values that are not finite; `Cancelled`.
    pub fn fit(
        &self,
        points: Points,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<EcodModel, MineError> {
        if points.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        check_finite(points)?;
        let width = points.width();
        let whole = (MOST_IN_ALL / width).clamp(LEAST_VALUES, MOST_VALUES);
        let mut columns = Vec::new();
        while columns.len() < width {
            if !goes_on(columns.len(), width) {
                return Err(MineError::Cancelled);
            }
            let group = columns.len()..(columns.len() + GROUP_COLUMNS).min(width);
            let learned: Vec<Empirical<f32>> = group
                .into_par_iter()
                .map(|column| {
                    let mut values: Vec<f32> = (0..points.len())
                        .map(|row| points.row(row)[column])
                        .collect();
                    values.sort_unstable_by(f32::total_cmp);
                    Empirical::of_sorted(&values, whole)
                })
                .collect();
            columns.extend(learned);
        }
        Ok(EcodModel { columns })
    }
}

impl EcodModel {
    /// Columns of the rows that were learned from.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The score of each point: the higher, the stranger. `[n_points]`
    ///
    /// # Errors
    /// `FeaturesDiffer`, `FeatureNotFinite`.
    pub fn scores(&self, points: Points, rows: Rows) -> Result<Vec<f64>, MineError> {
        self.check(points)?;
        let mut scores = vec![0.0; points.len()];
        (scores.par_chunks_mut(CHUNK_ROWS).enumerate()).for_each(|(chunk, scores)| {
            // Column by column: a column's values stay near while the rows of a chunk look theirs up.
            for (at, column) in self.columns.iter().enumerate() {
                for (row, score) in scores.iter_mut().enumerate() {
                    let value = points.row(chunk * CHUNK_ROWS + row)[at];
                    *score += Tails::of(column.counts(value), column.len(), rows).score();
                }
            }
        });
        Ok(scores)
    }

    /// The score of each cell; a row's score is the sum of its cells'. `[n_points, width]`
    ///
    /// # Errors
    /// As [`EcodModel::scores`].
    pub fn cell_scores(&self, points: Points, rows: Rows) -> Result<Vec<f64>, MineError> {
        let tails = self.tails(points, rows)?;
        Ok(tails.into_iter().map(Tails::score).collect())
    }

    /// How far out each cell lies, on either side. `[n_points, width]`
    ///
    /// # Errors
    /// As [`EcodModel::scores`].
    pub fn tails(&self, points: Points, rows: Rows) -> Result<Vec<Tails>, MineError> {
        self.check(points)?;
        let cells = points.values().iter().zip(self.columns.iter().cycle());
        let tails = cells.map(|(value, of)| Tails::of(of.counts(*value), of.len(), rows));
        Ok(tails.collect())
    }

    fn check(&self, points: Points) -> Result<(), MineError> {
        if points.width() != self.width() {
            return Err(MineError::FeaturesDiffer {
                expected: self.width(),
                found: points.width(),
            });
        }
        check_finite(points)
    }
}
