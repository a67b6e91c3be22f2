//! Joining detectors by how surprising their scores are, where far out counts for more than just out.
//!
//! Enters: scores of the training rows by several detectors, whose units do not agree. Leaves: a [`Surprise`], by which
//! scores of any rows become one number. The surprise of a score is the negative logarithm of the share of training rows
//! with as high a one; beyond the strangest rows it goes on as a straight line of the score itself, as if scores fell off
//! as those of an exponential do. The slope leaves out the very strangest, so that anomalies do not hide themselves.
//! Ranks alone call the farthest of a thousand rows as strange as the farthest of a thousand others,
//! however far it is.

use serde::{Deserialize, Serialize};

use super::empirical::Empirical;
use super::rarity::Rarity;
use crate::mine::MineError;

/// Scores of more training rows than these are thinned, see [`super::empirical`].
const MOST_SCORES: usize = 10_000;
/// The line is drawn where so many times the flagged share is left out, …
const LEFT_OUT: f64 = 2.0;
/// … but at least this share and so many rows, and at most that share.
const LEAST_OUT: f64 = 0.02;
const LEAST_ROWS: f64 = 3.0;
const MOST_OUT: f64 = 0.25;
/// It begins at so many times the share that is left out, but above the middle.
const BEGIN: f64 = 10.0;
const MOST_BEGIN: f64 = 0.5;

/// How surprising each detector's scores are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surprise {
    detectors: Vec<Tail>,
    /// How much each detector counts; together 1. `[n_detectors]`
    weights: Vec<f64>,
    joined: Empirical<f64>,
}

/// The scores of one detector, and the line that their surprise follows far out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tail {
    scores: Empirical<f64>,
    /// The score from which on the line holds, and the surprise there.
    from: f64,
    at: f64,
    /// By how much a surprise of 1 is farther out; 0 where there is no line.
    per: f64,
}

/// Where a tail begins and where it is cut off, as shares of `n` rows of which `share` is flagged.
pub fn tail_of(share: f64, n: usize) -> (f64, f64) {
    let rows = LEAST_ROWS / n.max(1) as f64;
    let out = (LEFT_OUT * share).max(LEAST_OUT).max(rows).min(MOST_OUT);
    ((BEGIN * out).min(MOST_BEGIN), out)
}

/// The score that this share of the rows lies above; `sorted` ascends and is not empty.
fn above(sorted: &[f64], share: f64) -> f64 {
    let at = ((1.0 - share) * sorted.len() as f64) as usize;
    sorted[at.min(sorted.len() - 1)]
}

impl Tail {
    fn fit(scores: &[f64], share: f64) -> Tail {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (begin, out) = tail_of(share, sorted.len());
        let from = above(&sorted, begin);
        let per = (above(&sorted, out) - from) / (begin / out).ln();
        Tail {
            scores: Empirical::of_sorted(&sorted, MOST_SCORES),
            from,
            at: -begin.ln(),
            per: if per.is_finite() && per > 0.0 {
                per
            } else {
                0.0
            },
        }
    }

    fn surprise(&self, score: f64) -> f64 {
        let by_rank = -(1.0 - self.scores.mid_rank(score)).ln();
        if self.per <= 0.0 {
            by_rank
        } else if score > self.from {
            // Differences of the largest numbers are none.
            self.at + ((score - self.from) / self.per).min(f64::MAX / 4.0)
        } else {
            by_rank.min(self.at)
        }
    }
}

impl Surprise {
    /// Learns from the scores of the training rows by each detector, of which `share` is flagged, and gives their joined
    /// scores. `weights`: `[n_detectors]`, in any unit. `[n_detectors][n_rows]` to `[n_rows]`
    ///
    /// # Errors
    /// No detectors or no rows; scores that are not finite (the column of the error is the detector); weights that are
    /// negative or all 0.
    ///
    /// # Panics
    /// Where the detectors scored different numbers of rows, or there is not a weight of each.
    pub fn fit(
        training: &[Vec<f64>],
        weights: &[f64],
        share: f64,
    ) -> Result<(Surprise, Vec<f64>), MineError> {
        if training.first().is_none_or(Vec::is_empty) {
            return Err(MineError::NoTrainingRows);
        }
        assert_eq!(training.len(), weights.len(), "a weight of each detector");
        check(training)?;
        let sum = weights.iter().sum::<f64>();
        if !(sum.is_finite() && sum > 0.0 && weights.iter().all(|w| *w >= 0.0)) {
            return Err(MineError::Setting {
                setting: "weights",
                value: format!("{weights:?}"),
                reason: "they must be numbers from 0 on, and one of them more",
            });
        }
        let detectors: Vec<Tail> = (training.iter())
            .map(|scores| Tail::fit(scores, share))
            .collect();
        let weights: Vec<f64> = weights.iter().map(|w| w / sum).collect();
        let joined = join(&detectors, &weights, training);
        let mut sorted = joined.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let surprise = Surprise {
            detectors,
            weights,
            joined: Empirical::of_sorted(&sorted, MOST_SCORES),
        };
        Ok((surprise, joined))
    }

    /// How much each detector counts; together 1. `[n_detectors]`
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Joined scores, above 0: the higher, the stranger. `[n_detectors][n_rows]` to `[n_rows]`
    ///
    /// # Errors
    /// `FeaturesDiffer` where the detectors are not as many; scores that are not finite; `DamagedModel`.
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
        if self.weights.len() != self.detectors.len() {
            return Err(MineError::DamagedModel {
                reason: "there is not a weight of each detector".to_owned(),
            });
        }
        check(scores)?;
        Ok(join(&self.detectors, &self.weights, scores))
    }

    /// How surprising a score of one detector is: 4.6 where one row of a hundred has as high a one.
    pub fn surprise(&self, detector: usize, score: f64) -> f64 {
        self.detectors[detector].surprise(score)
    }

    /// The share of training rows with a lower joined score, ties counting half.
    pub fn quantile(&self, joined: f64) -> f64 {
        self.joined.mid_rank(joined)
    }

    /// How often rows with this joined score or a higher one are met.
    pub fn rarity(&self, joined: f64) -> Rarity {
        Rarity::of(joined, &self.joined)
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

fn join(detectors: &[Tail], weights: &[f64], scores: &[Vec<f64>]) -> Vec<f64> {
    let mut joined = vec![0.0; scores.first().map_or(0, Vec::len)];
    for ((detector, scores), weight) in detectors.iter().zip(scores).zip(weights) {
        if *weight > 0.0 {
            for (joined, &score) in joined.iter_mut().zip(scores) {
                *joined += weight * detector.surprise(score);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of the exponential distribution.
    fn exponential(n: usize) -> Vec<f64> {
        (0..n)
            .map(|at| -(1.0 - (at as f64 + 0.5) / n as f64).ln())
            .collect()
    }

    #[test]
    fn the_surprise_of_an_exponential_score_is_the_score() {
        let scores = exponential(2000);
        let (surprise, joined) =
            Surprise::fit(std::slice::from_ref(&scores), &[3.0], 0.01).unwrap();
        assert_eq!(surprise.weights(), [1.0]);
        for (score, joined) in scores.iter().zip(&joined) {
            assert!(
                (score - joined).abs() < 0.02 * (1.0 + score),
                "{score} {joined}"
            );
        }
        // It goes on as it was, far beyond all rows.
        let far = surprise.surprise(0, 100.0);
        assert!((98.0..102.0).contains(&far), "{far}");
        assert_eq!(surprise.joined(&[vec![100.0]]).unwrap(), [far]);
        assert_eq!(surprise.rarity(far), Rarity::StrangerThanAll(2000));
        assert!(surprise.quantile(far) > 0.9997);
    }

    #[test]
    fn anomalies_do_not_hide_themselves_and_surprise_rises_with_the_score() {
        let mut scores = exponential(1000);
        scores[..15].fill(500.0);
        let (surprise, _) = Surprise::fit(&[scores], &[1.0], 0.01).unwrap();
        assert!(surprise.surprise(0, 500.0) > 100.0);
        let told: Vec<f64> = (0..600)
            .map(|at| surprise.surprise(0, f64::from(at)))
            .collect();
        assert!(told.windows(2).all(|pair| pair[0] <= pair[1]), "{told:?}");
        assert!(told.iter().all(|surprise| *surprise > 0.0));
        assert!(surprise.surprise(0, 1e308).is_finite() && surprise.surprise(0, -1e308) > 0.0);
    }

    #[test]
    fn ties_leave_ranks() {
        let (surprise, joined) =
            Surprise::fit(&[vec![1.0; 50], vec![2.0; 50]], &[1.0, 1.0], 0.01).unwrap();
        assert!(
            joined.iter().all(|score| (score - 2f64.ln()).abs() < 1e-12),
            "{joined:?}"
        );
        assert_eq!(surprise.rarity(joined[0]), Rarity::OnceIn(1.0));
        let one = Surprise::fit(&[vec![3.0]], &[1.0], 0.5).unwrap();
        assert!(one.1[0].is_finite());
    }

    #[test]
    fn weights_weigh_and_what_cannot_be_is_an_error() {
        let scores = [
            exponential(100),
            exponential(100).into_iter().rev().collect(),
        ];
        let first = Surprise::fit(&scores, &[2.0, 0.0], 0.01).unwrap().1;
        assert_eq!(first, Surprise::fit(&scores[..1], &[1.0], 0.01).unwrap().1);
        for weights in [[0.0, 0.0], [-1.0, 2.0], [f64::NAN, 1.0]] {
            let error = Surprise::fit(&scores, &weights, 0.01);
            assert!(matches!(
                error,
                Err(MineError::Setting {
                    setting: "weights",
                    ..
                })
            ));
        }
        assert!(matches!(
            Surprise::fit(&[], &[], 0.01),
            Err(MineError::NoTrainingRows)
        ));
        let nan = Surprise::fit(&[vec![1.0, f64::NAN]], &[1.0], 0.01);
        assert!(matches!(
            nan,
            Err(MineError::FeatureNotFinite { row: 1, column: 0 })
        ));
        let (two, _) = Surprise::fit(&scores, &[1.0, 1.0], 0.01).unwrap();
        assert!(matches!(
            two.joined(&[vec![1.0]]),
            Err(MineError::FeaturesDiffer { .. })
        ));
        let text = serde_json::to_string(&two).unwrap();
        assert_eq!(serde_json::from_str::<Surprise>(&text).unwrap(), two);
    }
}
