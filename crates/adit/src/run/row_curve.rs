//! How the score grows with the rows learned from, measured with boosted trees, which are cheap.

use super::RunError;
use super::arena::{Arena, TrainedMember, mean};
use super::tree_member::views;
use crate::explain::{RowCurve, RowCurvePoint};
use crate::mine::trees::TreeSettings;
use crate::prepare::Fold;
use crate::represent::tree_columns::TreeFeatures;

/// Shares of the training rows, each twice the one before.
const SHARES: [f64; 4] = [0.125, 0.25, 0.5, 1.0];
/// Fewer training rows than this are not divided.
const ENOUGH_ROWS: usize = 160;

impl Arena<'_> {
    /// Scores on held-out rows of trees that learned from parts of the training rows; nothing without trees.
    pub fn row_curve(&self, members: &[TrainedMember]) -> Result<Option<RowCurve>, RunError> {
        let trees = members.iter().find_map(|m| Some((m, m.tree_settings?)));
        let folds = &self.plan.folds[..self.plan.n_folds];
        let enough = folds.iter().all(|fold| fold.train.len() >= ENOUGH_ROWS);
        let Some((member, settings)) = trees.filter(|_| enough) else {
            return Ok(None);
        };
        let features = TreeFeatures::of(&self.loaded.dataset, &self.loaded.fit_rows());
        let owned = features.columns(&self.loaded.dataset)?;
        let columns = views(&owned);
        let mut points = Vec::with_capacity(SHARES.len());
        for (k, share) in SHARES.into_iter().enumerate() {
            self.watch
                .progress("learning curve", k as u64, SHARES.len() as u64, "");
            let mut scores = Vec::with_capacity(folds.len());
            let mut rows = 0;
            for fold in folds {
                let part = some_of(fold, share, self.job.seed);
                rows += part.len() as u64;
                scores.extend(self.score_with(&columns, &settings, &part, fold)?);
            }
            let Some(score) = mean(&scores) else {
                return Ok(None);
            };
            points.push(RowCurvePoint {
                rows: rows / folds.len() as u64,
                score,
                error: standard_error(&scores, score),
            });
        }
        self.watch.progress("learning curve", 4, 4, "");
        Ok(Some(RowCurve {
            model: member.name.clone(),
            next_doubling: next_doubling(&points),
            points,
        }))
    }

    fn score_with(
        &self,
        columns: &[crate::mine::trees::Column],
        settings: &TreeSettings,
        train: &[usize],
        fold: &Fold,
    ) -> Result<Option<f64>, RunError> {
        let goes_on = |_: usize, _: usize, _: f64| !self.watch.cancelled();
        let parts = (train, &fold.validation[..]);
        let model = settings.fit(columns, self.target, parts, &goes_on)?.model;
        Ok(self.score(&fold.validation, &model.predict(columns, &fold.validation)?))
    }
}

/// A share of the training rows; smaller shares are parts of larger ones.
fn some_of(fold: &Fold, share: f64, seed: u64) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = fold
        .train
        .iter()
        .map(|&row| (adit_nn::random::mix(seed, row as u64), row))
        .collect();
    order.sort_unstable();
    order.truncate((order.len() as f64 * share).ceil() as usize);
    let mut rows: Vec<usize> = order.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    rows
}

fn standard_error(scores: &[f64], mean: f64) -> Option<f64> {
    let n = scores.len() as f64;
    (scores.len() > 1).then(|| {
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        (squares / (n - 1.0) / n).sqrt()
    })
}

/// The last gain, shrunk as it shrank from the one before: gains of a power law fall by a constant factor.
fn next_doubling(points: &[RowCurvePoint]) -> Option<f64> {
    let gains: Vec<f64> = points.windows(2).map(|w| w[1].score - w[0].score).collect();
    let [.., before, last] = gains[..] else {
        return None;
    };
    // Gains of different signs, or that grow, follow no law that could be continued.
    let factor = last / before;
    (before != 0.0 && (0.0..=1.0).contains(&factor)).then_some(last * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(scores: &[f64]) -> Vec<RowCurvePoint> {
        let point = |&score: &f64| RowCurvePoint {
            rows: 1,
            score,
            error: None,
        };
        scores.iter().map(point).collect()
    }

    #[test]
    fn a_power_law_is_continued_and_noise_is_not() {
        // 1 - n^-0.5 at 100, 200, 400, 800, and then at 1,600.
        let law = |n: f64| 1.0 - n.powf(-0.5);
        let scores: Vec<f64> = [100.0, 200.0, 400.0, 800.0]
            .iter()
            .map(|&n| law(n))
            .collect();
        let next = next_doubling(&points(&scores)).unwrap();
        assert!((next - (law(1_600.0) - law(800.0))).abs() < 1e-12);
        assert_eq!(next_doubling(&points(&[0.8, 0.7, 0.9, 0.85])), None);
        assert_eq!(next_doubling(&points(&[0.8, 0.81, 0.83])), None);
    }

    #[test]
    fn smaller_parts_are_parts_of_larger_ones() {
        let fold = Fold {
            train: (0..100).collect(),
            validation: Vec::new(),
        };
        let (few, many) = (some_of(&fold, 0.25, 1), some_of(&fold, 0.5, 1));
        assert_eq!((few.len(), many.len()), (25, 50));
        assert!(few.iter().all(|row| many.contains(row)));
    }
}
