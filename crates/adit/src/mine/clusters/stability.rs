//! Which clusters would be found again.
//!
//! Enters: points, what a procedure found in them, and the procedure. Leaves: for each cluster, how well it comes back
//! when resamples of the points are clustered (Hennig 2007, "Cluster-wise assessment of cluster stability").
//!
//! A resample is drawn with replacement, and each point of it counts once, as points twice in one place would look
//! like a dense cluster. Noise is no cluster. A cluster that few points of a large table belong to may be missing
//! from a resample; that resample then says nothing about it.

use adit_nn::random::mix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Found, Procedure, best_match, check_finite, check_goes_on, check_setting, clustered};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Resamples that are clustered at once.
const BATCH: usize = 4;
/// Mean Jaccard indices from which a cluster holds, and from which it is doubtful (Hennig 2007).
const HOLDS: f64 = 0.75;
const DOUBTFUL: f64 = 0.6;

/// How often the points are drawn again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StabilitySettings {
    pub n_resamples: usize,
    /// Points drawn for a resample, at most.
    pub most_rows: usize,
    pub seed: u64,
}

impl Default for StabilitySettings {
    fn default() -> Self {
        StabilitySettings {
            n_resamples: 20,
            most_rows: 10_000,
            seed: 0,
        }
    }
}

/// What a mean Jaccard index says about a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At least 0.75.
    Holds,
    /// At least 0.6.
    Doubtful,
    /// Less.
    DoesNotHold,
}

impl Verdict {
    /// The verdict on a mean Jaccard index.
    pub fn of(mean: f64) -> Verdict {
        if mean >= HOLDS {
            Verdict::Holds
        } else if mean >= DOUBTFUL {
            Verdict::Doubtful
        } else {
            Verdict::DoesNotHold
        }
    }
}

/// How well a cluster is found again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterStability {
    /// Mean Jaccard index with the best match in the resamples; 0 where no resample held any of its points.
    pub mean: f64,
    /// Resamples that held some of its points.
    pub n_resamples: usize,
    pub verdict: Verdict,
}

impl StabilitySettings {
    /// How well each cluster of `found` is found again in resamples of the points. `[n_clusters]`
    ///
    /// # Errors
    /// Settings out of range; a value that is not finite; an error of the procedure; `Cancelled`.
    pub fn stability(
        &self,
        points: Points,
        found: &Found,
        procedure: &dyn Procedure,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<ClusterStability>, MineError> {
        let settings = [
            ("n_resamples", self.n_resamples),
            ("most_rows", self.most_rows),
        ];
        for (setting, value) in settings {
            check_setting(setting, value > 0, value as f64)?;
        }
        check_finite(points)?;
        let found = found.clone().checked(points.len(), points.width())?;
        let mut sums = vec![(0.0, 0usize); found.n_clusters];
        check_goes_on(goes_on(0, self.n_resamples))?;
        for from in (0..self.n_resamples).step_by(BATCH) {
            let to = (from + BATCH).min(self.n_resamples);
            let batch: Result<Vec<_>, MineError> = (from..to)
                .into_par_iter()
                .map(|resample| self.found_again(resample, points, &found, procedure))
                .collect();
            for jaccard in batch? {
                for (sum, jaccard) in sums.iter_mut().zip(jaccard) {
                    if let Some(jaccard) = jaccard {
                        *sum = (sum.0 + jaccard, sum.1 + 1);
                    }
                }
            }
            check_goes_on(goes_on(to, self.n_resamples))?;
        }
        let stability = |(sum, n_resamples): (f64, usize)| {
            let mean = sum / n_resamples.max(1) as f64;
            ClusterStability {
                mean,
                n_resamples,
                verdict: Verdict::of(mean),
            }
        };
        Ok(sums.into_iter().map(stability).collect())
    }

    /// The Jaccard index of each cluster with its best match in one resample.
    fn found_again(
        &self,
        resample: usize,
        points: Points,
        found: &Found,
        procedure: &dyn Procedure,
    ) -> Result<Vec<Option<f64>>, MineError> {
        let seed = mix(self.seed, resample as u64);
        let rows = drawn_once(points.len(), self.most_rows, seed);
        let values = points.gathered(&rows);
        let drawn = Points::new(&values, points.width());
        let n_clusters = found.n_clusters.min(rows.len());
        if n_clusters == 0 {
            return Ok(vec![None; found.n_clusters]);
        }
        let again = clustered(procedure, drawn, n_clusters, seed)?;
        Ok(best_match(
            &found.labels,
            found.n_clusters,
            &rows,
            &again.labels,
        ))
    }
}

/// The rows of a draw with replacement, each once; ascending.
fn drawn_once(n_rows: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut drawn = vec![false; n_rows];
    for at in 0..n_rows.min(most) as u64 {
        let row = (u128::from(mix(seed, at)) * n_rows as u128) >> 64;
        drawn[row as usize] = true;
    }
    (0..n_rows).filter(|&row| drawn[row]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::tests::{in_pools, planted, reference_k_means};
    use super::*;

    /// Three blobs, the last of which is cut into two clusters for no reason.
    fn cut_blobs() -> (Vec<f32>, Found) {
        let (values, mut labels) = planted(900, 2, &[[0.0; 2], [9.0, 0.0], [0.0, 9.0]], 1);
        for (row, label) in labels.iter_mut().enumerate() {
            if *label == Some(2) && values[2 * row] > 0.0 {
                *label = Some(3);
            }
        }
        let found = Found {
            labels,
            n_clusters: 4,
            ..Found::default()
        };
        (values, found)
    }

    #[test]
    fn planted_clusters_hold_and_halves_of_one_do_not() {
        let (values, found) = cut_blobs();
        let points = Points::new(&values, 2);
        // The procedure knows the blobs.
        let three = |points: Points, _: usize, seed| reference_k_means(points, 3, seed);
        let settings = StabilitySettings::default();
        let again =
            in_pools(|| (settings.stability(points, &found, &three, &|_, _| true)).expect("runs"));
        let verdicts: Vec<Verdict> = again.iter().map(|cluster| cluster.verdict).collect();
        use Verdict::{DoesNotHold, Holds};
        assert_eq!(verdicts, [Holds, Holds, DoesNotHold, DoesNotHold]);
        assert!(
            again[0].mean > 0.95 && (again[3].mean - 0.5).abs() < 0.1,
            "{again:?}"
        );
        assert!(again.iter().all(|cluster| cluster.n_resamples == 20));
    }

    #[test]
    fn clusters_of_nothing_do_not_hold() {
        let values: Vec<f32> = (0..1200)
            .map(|at| adit_nn::random::normal_at(1, at, 1.0))
            .collect();
        let points = Points::new(&values, 2);
        let found = reference_k_means(points, 7, 3).expect("clusters");
        let settings = StabilitySettings::default();
        let again =
            (settings.stability(points, &found, &reference_k_means, &|_, _| true)).expect("runs");
        let held = again
            .iter()
            .filter(|cluster| cluster.verdict == Verdict::Holds);
        assert!(held.count() <= 1, "{again:?}");
    }

    #[test]
    fn large_tables_are_thinned_and_rare_clusters_say_when_they_were_missing() {
        let (values, mut labels) = planted(30_000, 1, &[[0.0], [50.0]], 4);
        // A cluster of one point, and one of none.
        labels[17] = Some(2);
        let found = Found {
            labels,
            n_clusters: 4,
            ..Found::default()
        };
        let largest = AtomicUsize::new(0);
        let two = |points: Points, _: usize, seed| {
            largest.fetch_max(points.len(), Ordering::Relaxed);
            reference_k_means(points, 2, seed)
        };
        let settings = StabilitySettings {
            most_rows: 500,
            ..StabilitySettings::default()
        };
        let again = settings.stability(Points::new(&values, 1), &found, &two, &|_, _| true);
        let again = again.expect("runs");
        assert!(largest.into_inner() <= 500);
        assert!(again[0].mean > 0.99 && again[1].mean > 0.99);
        assert!(again[2].n_resamples < 5 && again[3].n_resamples == 0);
        assert_eq!(
            (again[3].mean, again[3].verdict),
            (0.0, Verdict::DoesNotHold)
        );
    }

    #[test]
    fn a_draw_holds_two_thirds_of_the_rows_once() {
        let rows = drawn_once(10_000, 10_000, 3);
        assert!(rows.is_sorted_by(|a, b| a < b));
        assert!((rows.len() as f64 / 10_000.0 - (1.0 - (-1f64).exp())).abs() < 0.01);
        assert!(drawn_once(0, 10, 1).is_empty());
    }

    #[test]
    fn verdicts_have_the_bounds_of_the_paper() {
        let verdicts = [0.8, 0.75, 0.7, 0.6, 0.59].map(Verdict::of);
        use Verdict::{DoesNotHold, Doubtful, Holds};
        assert_eq!(verdicts, [Holds, Holds, Doubtful, Doubtful, DoesNotHold]);
    }

    #[test]
    fn it_stops_on_request_and_tells_how_far_it_is() {
        let (values, found) = cut_blobs();
        let points = Points::new(&values, 2);
        let settings = StabilitySettings::default();
        let cancelled = settings.stability(points, &found, &reference_k_means, &|done, _| done < 8);
        assert!(matches!(cancelled, Err(MineError::Cancelled)));
        let last = AtomicUsize::new(0);
        let seen = |done, of| {
            last.store(done, Ordering::Relaxed);
            of == 20
        };
        assert!((settings.stability(points, &found, &reference_k_means, &seen)).is_ok());
        assert_eq!(last.into_inner(), 20);
    }
}
