//! How many clusters.
//!
//! Enters: points and a procedure that takes the number of clusters. Leaves: for each number of a grid, how well apart
//! the clusters are and how well they are found again, and the number that is best by both. Not here: whether there are
//! clusters at all (see `chance`).
//!
//! How well they are found again: two halves of the points, without a point in common, are clustered, the clusters of
//! each are carried over to all points, and the adjusted Rand index of the two is taken (Lange, Roth, Braun and Buhmann
//! 2004, "Stability-based validation of clustering solutions"). The number with the largest product of silhouette and
//! stability is chosen. Stability alone is undecided among few clusters, which all come back, and the silhouette alone
//! takes clusters of noise that do not come back; a bound on the stability would do too, but loses to the product
//! where there is noise. A procedure that gets stuck from some starts should take the best of several by itself.

use adit_nn::random::mix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distances::{Frame, Placed};
use super::silhouette::{between, mean_silhouette, silhouettes};
use super::{
    Procedure, adjusted_rand_index, check_finite, check_goes_on, check_setting, chosen, clustered,
    thinned,
};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Numbers of clusters up to which each is tried.
const EACH_UP_TO: usize = 10;
/// How much larger the next number is beyond.
const STEP: f64 = 1.3;
/// Most clusters where nothing else is asked for.
const MOST_CLUSTERS: usize = 100;

/// Numbers of clusters to try: 2 to 10, then in steps of three tenths up to `most`, by default the lesser of 100 and
/// the root of half the rows; always fewer than rows.
pub fn grid(n_rows: usize, most: Option<usize>) -> Vec<usize> {
    let root = (n_rows as f64 / 2.0).sqrt() as usize;
    let most = most.unwrap_or(root.clamp(2, MOST_CLUSTERS));
    let most = most.min(n_rows.saturating_sub(1));
    let mut counts: Vec<usize> = (2..=most.min(EACH_UP_TO)).collect();
    let mut next = EACH_UP_TO;
    while next < most {
        next = ((next as f64 * STEP).round() as usize).min(most);
        counts.push(next);
    }
    counts
}

/// How the number of clusters is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceSettings {
    /// Numbers that are tried; the grid of the points that are looked at where empty.
    pub counts: Vec<usize>,
    /// Points that are looked at, at most.
    pub most_rows: usize,
    /// Clusterings of all these points of which the best silhouette is taken.
    pub n_starts: usize,
    /// Pairs of halves.
    pub n_pairs: usize,
    pub seed: u64,
}

impl Default for ChoiceSettings {
    fn default() -> Self {
        ChoiceSettings {
            counts: Vec::new(),
            most_rows: 2000,
            n_starts: 3,
            n_pairs: 5,
            seed: 0,
        }
    }
}

/// What was found of one number of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub n_clusters: usize,
    /// The largest mean silhouette of a few clusterings.
    pub silhouette: f64,
    /// Mean adjusted Rand index of clusterings of two halves.
    pub stability: f64,
}

/// How many clusters, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The best number; 1 where no other can be tried, or none is any good.
    pub n_clusters: usize,
    /// By number, rising.
    pub candidates: Vec<Candidate>,
}

impl ChoiceSettings {
    /// Tries every number of clusters.
    ///
    /// # Errors
    /// Settings out of range; no points; a value that is not finite; an error of the procedure; `Cancelled`.
    pub fn choose(
        &self,
        points: Points,
        procedure: &dyn Procedure,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Choice, MineError> {
        self.check()?;
        if points.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        check_finite(points)?;
        let rows = thinned(points.len(), self.most_rows, self.seed);
        let values = points.gathered(&rows);
        let points = Points::new(&values, points.width());
        let mut counts = self.counts.clone();
        if counts.is_empty() {
            counts = grid(rows.len(), None);
        }
        counts.retain(|&count| count < rows.len());
        counts.sort_unstable();
        counts.dedup();
        let frame = Frame::new(points, points);
        let trial = Trial {
            settings: self,
            points,
            placed: frame.place(points),
            frame,
            procedure,
        };
        let mut candidates = Vec::with_capacity(counts.len());
        check_goes_on(goes_on(0, counts.len()))?;
        for &count in &counts {
            candidates.push(trial.candidate(count)?);
            check_goes_on(goes_on(candidates.len(), counts.len()))?;
        }
        Ok(Choice {
            n_clusters: best(&candidates).unwrap_or(1),
            candidates,
        })
    }

    fn check(&self) -> Result<(), MineError> {
        check_setting("most_rows", self.most_rows > 2, self.most_rows as f64)?;
        check_setting("n_starts", self.n_starts > 0, self.n_starts as f64)?;
        check_setting("n_pairs", self.n_pairs > 0, self.n_pairs as f64)?;
        let least = self.counts.iter().min().copied().unwrap_or(2);
        check_setting("counts", least > 1, least as f64)
    }
}

impl Candidate {
    /// What the number is chosen by.
    fn score(&self) -> f64 {
        self.silhouette.max(0.0) * self.stability.max(0.0)
    }
}

/// The number with the best score, which is above 0; of equals the least.
fn best(candidates: &[Candidate]) -> Option<usize> {
    let good = candidates
        .iter()
        .filter(|candidate| candidate.score() > 0.0);
    let best = good.reduce(|best, other| {
        if other.score() > best.score() {
            other
        } else {
            best
        }
    });
    best.map(|candidate| candidate.n_clusters)
}

struct Trial<'a> {
    settings: &'a ChoiceSettings,
    points: Points<'a>,
    frame: Frame,
    placed: Placed,
    procedure: &'a dyn Procedure,
}

impl Trial<'_> {
    fn candidate(&self, n_clusters: usize) -> Result<Candidate, MineError> {
        let seed = mix(self.settings.seed, n_clusters as u64);
        let (n_starts, n_pairs) = (self.settings.n_starts, self.settings.n_pairs);
        // First the starts, then both halves of each pair.
        let labellings: Result<Vec<Vec<Option<u32>>>, MineError> = (0..n_starts + 2 * n_pairs)
            .into_par_iter()
            .map(|at| {
                if at < n_starts {
                    let seed = mix(seed, at as u64);
                    return Ok(clustered(self.procedure, self.points, n_clusters, seed)?.labels);
                }
                let (pair, second) = ((at - n_starts) / 2, (at - n_starts) % 2 == 1);
                self.carried_over(n_clusters, mix(!seed, pair as u64), second)
            })
            .collect();
        let labellings = labellings?;
        let (starts, halves) = labellings.split_at(n_starts);
        let starts: Vec<&[Option<u32>]> = starts.iter().map(Vec::as_slice).collect();
        let widths = silhouettes(&self.placed, &starts);
        let silhouette = (widths.iter().zip(starts))
            .map(|(widths, labels)| mean_silhouette(widths, labels))
            .fold(f64::NEG_INFINITY, f64::max);
        let agreement = halves
            .chunks(2)
            .map(|pair| adjusted_rand_index(&pair[0], &pair[1]));
        Ok(Candidate {
            n_clusters,
            silhouette,
            stability: agreement.sum::<f64>() / n_pairs as f64,
        })
    }

    /// The clusters of the first or second half of the points in a random order, carried over to all points: each
    /// takes the label of the nearest centre, or without centres that of the nearest point, which may be noise.
    fn carried_over(
        &self,
        n_clusters: usize,
        seed: u64,
        second: bool,
    ) -> Result<Vec<Option<u32>>, MineError> {
        let n = self.points.len();
        let mut rows = chosen((0..n).collect(), n / 2, seed);
        if second {
            rows = (0..n)
                .filter(|row| rows.binary_search(row).is_err())
                .collect();
        }
        let values = self.points.gathered(&rows);
        let half = Points::new(&values, self.points.width());
        let seed = mix(seed, u64::from(second));
        let found = clustered(self.procedure, half, n_clusters.min(rows.len()), seed)?;
        let (near, labels) = match &found.centers {
            Some(centers) => (Points::new(centers, half.width()), None),
            None => (half, Some(&found.labels)),
        };
        if near.is_empty() {
            return Ok(vec![None; n]);
        }
        let nearest = between(&self.placed, &self.frame.place(near)).into_iter();
        let label = |nearest: u32| labels.map_or(Some(nearest), |labels| labels[nearest as usize]);
        Ok(nearest.map(|margin| label(margin.nearest)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::clouds::{Blobs, cube};
    use super::super::tests::{in_pools, reference_k_means, repeated_k_means};
    use super::*;

    fn chosen_of(values: &[f32], width: usize, settings: &ChoiceSettings) -> Choice {
        let points = Points::new(values, width);
        (settings.choose(points, &repeated_k_means, &|_, _| true)).expect("runs")
    }

    /// How often the number of blobs is found, of so many draws.
    fn found(n_blobs: usize, n_draws: u64, n: usize) -> u64 {
        let hit = |draw: u64| {
            let blobs = Blobs {
                n,
                width: [2, 3, 5, 10, 20][draw as usize % 5],
                n_blobs,
                apart: 5.0,
                unbalance: 1.0,
                noise: 0.0,
            };
            let settings = ChoiceSettings {
                seed: draw,
                ..ChoiceSettings::default()
            };
            let values = blobs.drawn(mix(n_blobs as u64, draw));
            chosen_of(&values, blobs.width, &settings).n_clusters == n_blobs
        };
        (0..n_draws).filter(|&draw| hit(draw)).count() as u64
    }

    #[test]
    fn planted_numbers_are_chosen() {
        assert_eq!([3, 5, 8].map(|n_blobs| found(n_blobs, 2, 300)), [2, 2, 2]);
    }

    #[test]
    #[ignore = "a minute: the full simulation"]
    fn planted_numbers_are_chosen_in_nine_of_ten_draws() {
        let found = [3, 5, 8].map(|n_blobs| found(n_blobs, 30, 600));
        assert!(found.iter().all(|&n| n >= 27), "{found:?}");
    }

    #[test]
    fn grids_are_dense_below_and_sparse_above() {
        assert_eq!(
            grid(1_000_000, None),
            [
                2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 17, 22, 29, 38, 49, 64, 83, 100
            ]
        );
        assert_eq!(grid(200, None), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(grid(1000, Some(15)), [2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15]);
        assert_eq!(grid(6, Some(15)), [2, 3, 4, 5]);
        assert_eq!(grid(3, None), [2]);
        assert!(grid(2, None).is_empty() && grid(0, None).is_empty());
    }

    #[test]
    fn the_product_decides_and_ties_go_to_fewer() {
        let candidates = |told: &[(usize, f64, f64)]| -> Vec<Candidate> {
            let candidate = |&(n_clusters, silhouette, stability)| Candidate {
                n_clusters,
                silhouette,
                stability,
            };
            told.iter().map(candidate).collect()
        };
        assert_eq!(
            best(&candidates(&[(2, 0.4, 1.0), (3, 0.6, 0.9), (4, 0.7, 0.5)])),
            Some(3)
        );
        assert_eq!(best(&candidates(&[(2, 0.4, 1.0), (3, 0.4, 1.0)])), Some(2));
        assert_eq!(
            best(&candidates(&[(2, -0.4, -0.1), (3, 0.1, 0.1)])),
            Some(3)
        );
        assert_eq!(best(&candidates(&[(2, -0.4, -0.1), (3, -0.1, 0.1)])), None);
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn without_centres_the_nearest_point_tells() {
        let blobs = Blobs {
            n: 300,
            width: 3,
            n_blobs: 4,
            apart: 8.0,
            unbalance: 1.0,
            noise: 0.0,
        };
        let values = blobs.drawn(5);
        let points = Points::new(&values, 3);
        let settings = ChoiceSettings {
            counts: vec![5, 3, 4, 3],
            ..ChoiceSettings::default()
        };
        let no_centers = |points: Points, n_clusters: usize, seed| {
            let found = repeated_k_means(points, n_clusters, seed)?;
            Ok(super::super::Found {
                centers: None,
                ..found
            })
        };
        let found = (settings.choose(points, &no_centers, &|_, _| true)).expect("runs");
        assert_eq!(found.n_clusters, 4);
        assert!(found.candidates[1].stability > 0.99, "{found:?}");
        let counts: Vec<usize> = found.candidates.iter().map(|c| c.n_clusters).collect();
        assert_eq!(counts, [3, 4, 5]);
    }

    #[test]
    fn threads_do_not_change_a_choice() {
        let values = cube(350, 4, 1);
        let settings = ChoiceSettings {
            most_rows: 300,
            ..ChoiceSettings::default()
        };
        let found = in_pools(|| chosen_of(&values, 4, &settings));
        assert_eq!(found.candidates.len(), grid(300, None).len());
    }

    #[test]
    fn edges_and_wrong_settings() {
        let run = |values: &[f32], settings: &ChoiceSettings, until: usize| {
            settings.choose(Points::new(values, 1), &reference_k_means, &|done, _| {
                done < until
            })
        };
        let usual = ChoiceSettings::default();
        assert!(matches!(
            run(&[], &usual, 99),
            Err(MineError::NoTrainingRows)
        ));
        for few in [&[1.0][..], &[1.0, 1.0]] {
            assert_eq!(run(few, &usual, 99).expect("runs").n_clusters, 1);
        }
        assert!(run(&[1.0, 1.0, 9.0], &usual, 99).is_ok());
        assert_eq!(run(&[2.0; 40], &usual, 99).expect("runs").n_clusters, 1);
        let values = cube(60, 1, 1);
        assert!(matches!(run(&values, &usual, 2), Err(MineError::Cancelled)));
        let wrong = ChoiceSettings {
            counts: vec![4, 1],
            ..ChoiceSettings::default()
        };
        assert!(matches!(
            run(&values, &wrong, 99),
            Err(MineError::Setting {
                setting: "counts",
                ..
            })
        ));
        assert!(matches!(
            run(&[0.0, f32::NAN, 1.0], &usual, 99),
            Err(MineError::FeatureNotFinite { row: 1, column: 0 })
        ));
    }
}
