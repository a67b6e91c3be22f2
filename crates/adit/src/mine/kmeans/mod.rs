//! Clusters around centres: k-means.
//!
//! Enters: points. Leaves: a [`KMeansModel`] and the cluster of every point, the largest cluster first. First centres
//! by greedy k-means++ (Arthur and Vassilvitskii 2007), then the iterations of Lloyd (1982); bounds on distances leave
//! out most comparisons (Ding et al. 2015) and change no result. Nearest is decided as if in f64. Not here: how many
//! clusters there are; distances other than Euclid's.

mod bounds;
mod init;
mod lloyd;
mod nearest;
mod spread;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::init::Search;
use self::lloyd::Course;
use self::nearest::{BLOCK, Block, Centers, Frame, squared};
use self::spread::{Spread, not_finite};
use super::MineError;
use crate::represent::points::Points;

/// How clusters are looked for; by default as scikit-learn does, but for `n_init`, which was its default before 1.4.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KMeans {
    /// Most clusters; there are fewer where fewer points differ.
    pub n_clusters: usize,
    /// Runs from different first centres; the one with the least inertia is kept.
    pub n_init: usize,
    /// Most iterations of a run.
    pub max_iterations: usize,
    /// A run ends once its centres move by no more, as the sum of squares over the mean variance of the columns.
    pub tolerance: f64,
    pub seed: u64,
}

impl Default for KMeans {
    fn default() -> Self {
        KMeans {
            n_clusters: 8,
            n_init: 10,
            max_iterations: 300,
            tolerance: 1e-4,
            seed: 0,
        }
    }
}

/// Centres of clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KMeansModel {
    /// Values a point.
    pub width: usize,
    /// The cluster with the most points first. `[k, width]`
    pub centers: Vec<f32>,
    /// The sum of squared distances of the training points to the nearest centre.
    pub inertia: f64,
    /// Iterations of the run that was kept.
    pub n_iterations: usize,
}

/// Centres and the clusters of the points that they were found on.
#[derive(Clone, Debug, PartialEq)]
pub struct Clustered {
    pub model: KMeansModel,
    /// The cluster of every point. `[n_points]`
    pub labels: Vec<u32>,
}

impl KMeans {
    fn check(&self) -> Result<(), MineError> {
        let counts = [
            ("n_clusters", self.n_clusters),
            ("n_init", self.n_init),
            ("max_iterations", self.max_iterations),
        ];
        let fits = |count: usize| (1..u32::MAX as usize).contains(&count);
        if let Some((setting, value)) = counts.into_iter().find(|(_, count)| !fits(*count)) {
            return Err(MineError::Setting {
                setting,
                value: value.to_string(),
                reason: "it must be at least 1",
            });
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return Err(MineError::Setting {
                setting: "tolerance",
                value: self.tolerance.to_string(),
                reason: "it must be a finite number of at least 0",
            });
        }
        Ok(())
    }

    /// Finds clusters; `goes_on` is asked before every iteration.
    ///
    /// # Errors
    /// Settings out of range, no points, a value that is not finite; `Cancelled`.
    pub fn fit(
        &self,
        points: Points,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Clustered, MineError> {
        self.check()?;
        if points.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        let spread = Spread::of(points)?;
        let frame = Frame::new(&spread.mean, spread.largest);
        let tolerance = self.tolerance * spread.mean_variance;
        let mut best: Option<Clustered> = None;
        for run in 0..self.n_init {
            let before = run * self.max_iterations;
            let of = self.n_init.saturating_mul(self.max_iterations);
            let goes_on = |iteration: usize| goes_on(before + iteration, of);
            let found = self.run(points, (&frame, tolerance), run as u64, &goes_on);
            let found = found.ok_or(MineError::Cancelled)?;
            let better = |best: &Clustered| found.model.inertia < best.model.inertia;
            if best.as_ref().is_none_or(better) {
                best = Some(found);
            }
        }
        best.ok_or(MineError::NoTrainingRows)
    }

    fn run(
        &self,
        points: Points,
        (frame, tolerance): (&Frame, f64),
        run: u64,
        goes_on: &dyn Fn(usize) -> bool,
    ) -> Option<Clustered> {
        let seed = adit_nn::random::mix(self.seed, run);
        let k = self.n_clusters.min(points.len());
        let first = Search::new(points, frame, k, seed).run(&|_| goes_on(0))?;
        let first = first.iter().flat_map(|&row| points.row(row));
        let first = first.map(|&x| f64::from(x)).collect();
        let mut course = Course::new(points, frame, first);
        let n_iterations = course.run(self.max_iterations, tolerance, goes_on)?;
        let (centers, labels) = course.finish();
        let exact: Vec<f64> = centers.iter().map(|&c| f64::from(c)).collect();
        let model = KMeansModel {
            width: points.width(),
            inertia: inertia(points, &exact, &labels),
            centers,
            n_iterations,
        };
        Some(Clustered { model, labels })
    }
}

/// The sum of squared distances to the own centres.
fn inertia(points: Points, centers: &[f64], labels: &[u32]) -> f64 {
    let width = points.width();
    let parts = (points.values().par_chunks(BLOCK * width)).zip(labels.par_chunks(BLOCK));
    let parts: Vec<f64> = parts
        .map(|(rows, labels)| {
            let rows = rows.chunks_exact(width).zip(labels);
            rows.map(|(row, &label)| squared(row, &centers[label as usize * width..][..width]))
                .sum()
        })
        .collect();
    parts.iter().sum()
}

impl KMeansModel {
    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        self.centers.len() / self.width.max(1)
    }

    /// The centre of one cluster. `[width]`
    pub fn center(&self, cluster: usize) -> &[f32] {
        &self.centers[cluster * self.width..][..self.width]
    }

    /// The nearest centre of every point; of equally near ones the first. `[n_points]`
    ///
    /// # Errors
    /// `FeaturesDiffer`, `FeatureNotFinite`, `DamagedModel`.
    pub fn labels(&self, points: Points) -> Result<Vec<u32>, MineError> {
        let nearest = self.nearest(points)?;
        Ok(nearest.into_iter().map(|(label, _)| label).collect())
    }

    /// The distance of every point to the nearest centre. `[n_points]`
    ///
    /// # Errors
    /// As [`KMeansModel::labels`].
    pub fn distances(&self, points: Points) -> Result<Vec<f32>, MineError> {
        let nearest = self.nearest(points)?;
        Ok(nearest.into_iter().map(|(_, apart)| apart).collect())
    }

    pub(in crate::mine) fn check(&self) -> Result<(), MineError> {
        let whole = self.width > 0 && self.centers.len().is_multiple_of(self.width);
        let reason = if !whole || self.centers.is_empty() {
            "its centres are no whole rows"
        } else if self.centers.iter().any(|c| !c.is_finite()) {
            "a centre is not finite"
        } else {
            return Ok(());
        };
        Err(MineError::DamagedModel {
            reason: reason.to_owned(),
        })
    }

    /// The nearest centre and the distance to it. `[n_points]`
    fn nearest(&self, points: Points) -> Result<Vec<(u32, f32)>, MineError> {
        self.check()?;
        let (width, k) = (self.width, self.n_clusters());
        if points.width() != width {
            return Err(MineError::FeaturesDiffer {
                expected: width,
                found: points.width(),
            });
        }
        let spread = Spread::of(Points::new(&self.centers, width))?;
        let frame = Frame::new(&spread.mean, spread.largest);
        let exact = self.centers.iter().map(|&c| f64::from(c));
        let centers = Centers::new(&frame, exact.collect());
        let rank: Vec<u32> = (0..k as u32).collect();
        let mut out = vec![(0u32, 0.0f32); points.len()];
        let rows = points.values().par_chunks(BLOCK * width);
        let finite = rows
            .zip(out.par_chunks_mut(BLOCK))
            .map_init(
                || Block::new(width, k),
                |block, (rows, out)| {
                    for (at, row) in rows.chunks_exact(width).enumerate() {
                        block.put(at, &frame, row);
                    }
                    block.compare(out.len(), &centers);
                    for ((at, row), out) in rows.chunks_exact(width).enumerate().zip(out) {
                        let (square, partial) = (block.squares[at], block.partial(at, k));
                        let nearest = centers.nearest(row, square, partial, &rank);
                        let apart = squared(row, centers.center(nearest)).sqrt();
                        *out = (nearest as u32, apart as f32);
                    }
                    rows.iter().all(|x| x.is_finite())
                },
            )
            .reduce(|| true, |a, b| a && b);
        if finite {
            Ok(out)
        } else {
            Err(not_finite(points))
        }
    }
}

#[cfg(test)]
mod tests;
