//! Joining detectors by ranks, and what is strange enough to tell of.
//!
//! Enters: scores of the training rows by several detectors, whose units do not agree. Leaves: [`Ranks`], by which
//! scores of any rows become one number, the mean over the detectors of the share of training rows that are less
//! strange; thresholds for a share of the rows or a number of alerts; and how often rows as strange are met.

use serde::{Deserialize, Serialize};

use super::empirical::Empirical;
use crate::mine::MineError;

/// Scores of more training rows than these are thinned, see [`super::empirical`].
const MOST_SCORES: usize = 10_000;

/// The distributions of the training rows' scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    detectors: Vec<Empirical<f64>>,
    joined: Empirical<f64>,
}

/// How often rows as strange as one, or stranger, are met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rarity {
    /// Once in so many training rows.
    OnceIn(f64),
    /// No training row is; so many there are.
    StrangerThanAll(usize),
}

impl Ranks {
    /// Learns from the scores of the training rows by each detector, and gives their joined scores.
    /// `[n_detectors][n_rows]` to `[n_rows]`
    ///
    /// # Errors
    /// No detectors or no rows; scores that are not finite (the column of the error is the detector).
    ///
    /// # Panics
    /// Where the detectors scored different numbers of rows.
    pub fn fit(training: &[Vec<f64>]) -> Result<(Ranks, Vec<f64>), MineError> {
        if training.first().is_none_or(Vec::is_empty) {
            return Err(MineError::NoTrainingRows);
        }
        check(training)?;
        let detectors: Vec<_> = training.iter().map(|scores| empirical(scores)).collect();
        let joined = join(&detectors, training);
        let ranks = Ranks {
            detectors,
            joined: empirical(&joined),
        };
        Ok((ranks, joined))
    }

    /// How many detectors are joined.
    pub fn n_detectors(&self) -> usize {
        self.detectors.len()
    }

    /// Joined scores, between 0 and 1: the higher, the stranger. `[n_detectors][n_rows]` to `[n_rows]`
    ///
    /// # Errors
    /// `FeaturesDiffer` where the detectors are not as many; scores that are not finite.
    ///
    /// # Panics
    /// Where the detectors scored different numbers of rows.
    pub fn joined(&self, scores: &[Vec<f64>]) -> Result<Vec<f64>, MineError> {
        if scores.len() != self.detectors.len() {
            return Err(MineError::FeaturesDiffer {
                expected: self.detectors.len(),
                found: scores.len(),
            });
        }
        check(scores)?;
        Ok(join(&self.detectors, scores))
    }

    /// The share of training rows that one detector found less strange than `score`, ties counting half.
    pub fn rank(&self, detector: usize, score: f64) -> f64 {
        self.detectors[detector].mid_rank(score)
    }

    /// How often rows with this joined score or a higher one are met.
    pub fn rarity(&self, joined: f64) -> Rarity {
        let counts = self.joined.counts(joined);
        let as_strange = counts.equal + counts.above;
        if as_strange > 0.0 {
            Rarity::OnceIn(self.joined.len() as f64 / as_strange)
        } else {
            Rarity::StrangerThanAll(self.joined.len())
        }
    }
}

fn check(scores: &[Vec<f64>]) -> Result<(), MineError> {
    for (column, of_detector) in scores.iter().enumerate() {
        assert_eq!(of_detector.len(), scores[0].len(), "scores of each row");
        if let Some(row) = of_detector.iter().position(|score| !score.is_finite()) {
            return Err(MineError::FeatureNotFinite { row, column });
        }
    }
    Ok(())
}

fn empirical(scores: &[f64]) -> Empirical<f64> {
    Empirical::of_sorted(&sorted(scores), MOST_SCORES)
}

fn sorted(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn join(detectors: &[Empirical<f64>], scores: &[Vec<f64>]) -> Vec<f64> {
    let mut joined = vec![0.0; scores.first().map_or(0, Vec::len)];
    for (detector, scores) in detectors.iter().zip(scores) {
        for (joined, &score) in joined.iter_mut().zip(scores) {
            *joined += detector.mid_rank(score);
        }
    }
    joined
        .iter_mut()
        .for_each(|sum| *sum /= detectors.len() as f64);
    joined
}

/// A threshold above which `n_alerts` of these joined scores lie; fewer where ties would make them more. 0, which all
/// joined scores are above, where there are no more scores than alerts.
pub fn threshold_of_alerts(joined: &[f64], n_alerts: usize) -> f64 {
    let sorted = sorted(joined);
    match sorted.len().checked_sub(n_alerts + 1) {
        Some(at) => sorted[at],
        None => 0.0,
    }
}

/// A threshold above which this share of the joined scores lies, 0 <= x <= 1; see [`threshold_of_alerts`].
///
/// # Errors
/// A share out of range.
pub fn threshold_of_share(joined: &[f64], share: f64) -> Result<f64, MineError> {
    if !(0.0..=1.0).contains(&share) {
        return Err(MineError::Setting {
            setting: "share",
            value: share.to_string(),
            reason: "it lies outside of what it can be",
        });
    }
    // A share of .29 of 100 rows is 29 of them, although the product is a little less.
    let n_alerts = (joined.len() as f64 * share + 1e-6).floor() as usize;
    Ok(threshold_of_alerts(joined, n_alerts))
}
